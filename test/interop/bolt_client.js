// SPDX-License-Identifier: Apache-2.0
//
// Calls the service through the address given, by sofa-bolt-node over one
// socket: bolt_client.js ADDRESS v1|v2|crc|mixed.
'use strict';

const assert = require('assert');
const crypto = require('crypto');
const net = require('net');
const protocol = require('sofa-bolt-node');
const run = require('./cases');

const versions = {
  v1: { protocolType: 'bolt', boltVersion: 1, crcEnable: false },
  v2: { protocolType: 'bolt2', boltVersion: 1, crcEnable: false },
  crc: { protocolType: 'bolt2', boltVersion: 2, crcEnable: true },
};
const [ host, port ] = process.argv[2].split(':');
const kinds = process.argv[3] === 'mixed' ? Object.keys(versions) : [ process.argv[3] ];

const sentReqs = new Map();
const socket = net.connect(Number(port), host);
const encoder = protocol.encoder({ sentReqs });
const decoder = protocol.decoder({ sentReqs });
encoder.pipe(socket).pipe(decoder);
for (const part of [ encoder, socket, decoder ]) {
  part.on('error', err => {
    console.log('failed to understand: ' + err);
    process.exit(101);
  });
}
socket.on('close', () => {
  console.log('failed to stay connected');
  process.exit(103);
});

let nextId = 0xfffffff0; // wraps within the test
let turn = 0;

// Takes the next id and the next of the versions in turn.
function begin() {
  Object.assign(encoder, versions[kinds[turn++ % kinds.length]]);
  nextId = (nextId + 1) % 0x100000000;
  return nextId | 0; // the encoder takes signed numbers
}

function call(methodName, args, timeout = 10000) {
  return new Promise((resolve, reject) => {
    const id = begin();
    const req = { serverSignature: 'com.example.Interop:1.0', methodName, args, timeout };
    sentReqs.set(id, { req, resolve, reject, kind: encoder.protocolType, crc: encoder.crcEnable });
    encoder.writeRequest(id, req, err => err && reject(err));
  });
}

decoder.on('response', res => {
  const sent = sentReqs.get(res.packetId);
  if (!sent) {
    console.log('failed to be the only reply: ' + res.packetId);
    process.exit(102);
  }
  sentReqs.delete(res.packetId);
  try {
    // The reply comes in its request's version, with a checksum if that had one.
    assert.strictEqual(res.options.protocolType, sent.kind);
    assert.strictEqual(!!res.options.crcEnable, sent.crc);
  } catch (err) {
    sent.reject(err);
    return;
  }
  if (res.data.error) sent.reject(res.data.error);
  else sent.resolve(res.data.appResponse);
});

function oneWay(methodName, args) {
  return new Promise((resolve, reject) => {
    const req = { serverSignature: 'com.example.Interop:1.0', methodName, args, timeout: 3000, oneway: true };
    encoder.writeRequest(begin(), req, err => (err ? reject(err) : resolve()));
  });
}

function heartbeat() {
  return new Promise((resolve, reject) => {
    const id = begin();
    decoder.once('heartbeat_ack', ack => (ack.packetId === id ? resolve() : reject(new Error('id ' + ack.packetId))));
    encoder.writeHeartbeat(id, { timeout: 3000, clientUrl: 'x' }, err => err && reject(err));
  });
}

const cases = {
  async sync() {
    for (let i = 0; i < 40; i++) assert.strictEqual(await call('plus', [ i, 2 ]), i + 2);
  },
  async 'one-way'() {
    const key = crypto.randomBytes(8).toString('hex');
    for (let i = 0; i < 3; i++) await oneWay('note', [ key ]);
    for (let noted = 0; noted < 3;) noted = await call('noted', [ key ]);
    assert.strictEqual(await call('noted', [ key ]), 3);
  },
  async 'one megabyte'() {
    const text = crypto.randomBytes(512 * 1024).toString('hex');
    assert.strictEqual(await call('echo', [ text ]), text);
  },
  async 'five megabytes'() {
    const text = crypto.randomBytes(5 * 512 * 1024).toString('hex');
    assert.strictEqual(await call('echo', [ text ], 30000), text);
  },
  async unicode() {
    const text = '\u4f60\u597d, \u00fcber \ud83d\ude80 \u0000\r\n';
    assert.strictEqual(await call('echo', [ text ]), text);
  },
  async object() {
    const value = { name: 'x', list: [ 1, 2, 3 ], deep: { yes: true, nothing: null } };
    assert.deepStrictEqual(await call('echo', [ value ]), value);
  },
  async exception() {
    await assert.rejects(call('fail', [ 'on purpose' ]), /on purpose/);
  },
  async timeout() {
    // Nothing but the proxy watches the time here.
    await assert.rejects(call('later', [ 'x', 3000 ], 300), /^Error: Server exception when invoke/);
    assert.strictEqual(await call('plus', [ 3, 4 ]), 7);
  },
  async '200 concurrent'() {
    const calls = [];
    for (let i = 0; i < 200; i++) calls.push(call('later', [ 'answer ' + i, i % 20 ]));
    const answers = await Promise.all(calls);
    answers.forEach((answer, i) => assert.strictEqual(answer, 'answer ' + i));
  },
  async heartbeat() {
    for (let i = 0; i < 3; i++) await heartbeat();
    const [ , answer ] = await Promise.all([ heartbeat(), call('plus', [ 5, 6 ]) ]);
    assert.strictEqual(answer, 11);
  },
};

socket.once('connect', () => run(cases));
