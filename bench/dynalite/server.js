// The DynamoDB server of firn's tests: dynalite on a free loopback port.
// Tables are kept in memory. One line of JSON on standard
// output says where it listens; it ends with its standard input, so that it
// never outlives a test that was killed.
'use strict'

const dynalite = require('dynalite')

const server = dynalite({
  createTableMs: 0,
  deleteTableMs: 0,
  updateTableMs: 0,
})

// node closes connections that were idle for 5 seconds. A client that sends at that moment gets no
// answer and asks again, so that a test that counts requests would count one too many.
server.keepAliveTimeout = 0

server.on('error', function (err) {
  console.error('dynalite: ' + err.message)
  process.exit(1)
})

server.listen(0, '127.0.0.1', function () {
  console.log(JSON.stringify({ endpoint: 'http://127.0.0.1:' + server.address().port }))
})

process.on('SIGTERM', function () { process.exit(0) })
process.stdin.on('end', function () { process.exit(0) })
process.stdin.resume()
