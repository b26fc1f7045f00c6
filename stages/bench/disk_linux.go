package bench

// tellsDisk: ru_inblock counts 512 bytes that storage devices were asked for (getrusage(2)).
const tellsDisk = true
