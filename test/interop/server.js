// SPDX-License-Identifier: Apache-2.0
//
// A SOFARPC service on the port given. Prints "ready" when it serves.
'use strict';

const { RpcServer } = require('sofa-rpc-node').server;

const quiet = { info() {}, debug() {}, warn() {}, error() {} };
const server = new RpcServer({ logger: quiet, port: Number(process.argv[2]) });

server.addService({ interfaceName: 'com.example.Interop' }, {
  async plus(a, b) {
    return a + b;
  },
  async echo(value) {
    return value;
  },
  async fail(message) {
    throw new Error(message);
  },
  async later(value, ms) {
    await new Promise(resolve => setTimeout(resolve, ms));
    return value;
  },
});

server.start().then(() => console.log('ready'));
