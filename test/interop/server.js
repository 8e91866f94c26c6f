// SPDX-License-Identifier: Apache-2.0
//
// The service by sofa-rpc-node on the port given. Prints "ready" when it serves.
'use strict';

const { RpcServer } = require('sofa-rpc-node').server;

const quiet = { info() {}, debug() {}, warn() {}, error() {} };
const server = new RpcServer({ logger: quiet, port: Number(process.argv[2]) });

server.addService({ interfaceName: 'com.example.Interop' }, require('./service'));
server.start().then(() => console.log('ready'));
