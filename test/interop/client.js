// SPDX-License-Identifier: Apache-2.0
//
// Calls the service through the address given, by sofa-rpc-node.
'use strict';

const assert = require('assert');
const crypto = require('crypto');
const { RpcClient } = require('sofa-rpc-node').client;
const run = require('./cases');

const quiet = { info() {}, debug() {}, warn() {}, error() {} };
const client = new RpcClient({ logger: quiet });
const consumer = client.createConsumer({
  interfaceName: 'com.example.Interop',
  serverHost: process.argv[2],
});
const call = (method, args, responseTimeout = 10000) => consumer.invoke(method, args, { responseTimeout });

const cases = {
  async sync() {
    assert.strictEqual(await call('plus', [ 1, 2 ]), 3);
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
    // The client's own timer and the proxy's status 7 race for the same
    // instant. sofa-bolt-node gives any failed reply without content one text.
    await assert.rejects(call('later', [ 'x', 3000 ], 300),
      err => err.name === 'RpcResponseTimeoutError' || /^Server exception when invoke/.test(err.message));
    assert.strictEqual(await call('plus', [ 3, 4 ]), 7);
  },
  async '200 concurrent'() {
    const calls = [];
    for (let i = 0; i < 200; i++) calls.push(call('later', [ 'answer ' + i, i % 20 ]));
    const answers = await Promise.all(calls);
    answers.forEach((answer, i) => assert.strictEqual(answer, 'answer ' + i));
  },
};

consumer.ready().then(() => run(cases), err => {
  console.log('failed to start: ' + err.stack);
  process.exit(100);
});
