// SPDX-License-Identifier: Apache-2.0
'use strict';

// Runs cases in order and prints one line for each: "ok NAME" or
// "failed NAME: WHY". Exits with the number of failures.
module.exports = async function run(cases) {
  let failures = 0;
  for (const [ name, test ] of Object.entries(cases)) {
    try {
      await test();
      console.log('ok ' + name);
    } catch (err) {
      failures++;
      console.log('failed ' + name + ': ' + JSON.stringify(err.message));
    }
  }
  process.exit(failures);
};
