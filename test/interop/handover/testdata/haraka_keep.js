'use strict'
// Appends what arrives to the file $ARRIVED, and then says 250.
const fs = require('node:fs')

exports.hook_queue = (next, connection) => {
  const file = fs.createWriteStream(process.env.ARRIVED, { flags: 'a' })
  file.on('finish', () => next(OK))
  connection.transaction.message_stream.pipe(file)
}
