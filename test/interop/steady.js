// SPDX-License-Identifier: Apache-2.0
//
// Calls the service through the address given, by sofa-rpc-node, again and
// again, and prints "ok" or "failed WHY" for each.
'use strict';

const { RpcClient } = require('sofa-rpc-node').client;

const quiet = { info() {}, debug() {}, warn() {}, error() {} };
const client = new RpcClient({ logger: quiet });
client.on('error', () => {});
const consumer = client.createConsumer({
  interfaceName: 'com.example.Interop',
  serverHost: process.argv[2],
});

async function main() {
  await consumer.ready();
  for (;;) {
    try {
      const sum = await consumer.invoke('plus', [ 1, 2 ], { responseTimeout: 1000 });
      console.log(sum === 3 ? 'ok' : 'failed ' + sum);
    } catch (err) {
      console.log('failed ' + JSON.stringify(err.message));
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

main();
