// SPDX-License-Identifier: Apache-2.0
//
// The service by sofa-bolt-node on the port given. Prints "ready" when it serves
// and "heartbeat" for each that it answers.
'use strict';

const net = require('net');
const protocol = require('sofa-bolt-node');
const service = require('./service');

net.createServer(socket => {
  const options = { sentReqs: new Map() };
  const encoder = protocol.encoder(options);
  const decoder = protocol.decoder(options);
  encoder.pipe(socket).pipe(decoder);
  for (const part of [ encoder, socket, decoder ]) part.on('error', () => socket.destroy());
  decoder.on('heartbeat', hb => {
    encoder.writeHeartbeatAck(hb);
    console.log('heartbeat');
  });
  decoder.on('request', async req => {
    const { methodName, args } = req.data;
    let res;
    try {
      res = { isError: false, errorMsg: null, appResponse: await service[methodName](...args) };
    } catch (err) {
      res = { isError: true, errorMsg: err.message, appResponse: null };
    }
    // sofa-bolt-node gives no answer, but an error, past the timeout.
    encoder.writeResponse(req, res, () => {});
  });
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
