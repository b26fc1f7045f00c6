package recovery

// EarlierBody is a file of an earlier revision.
const EarlierBody = "# a firn recovery file of old\n"

func init() { earlier[sumOf([]byte(EarlierBody))] = true }
