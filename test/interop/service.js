// SPDX-License-Identifier: Apache-2.0
'use strict';

const notes = new Map();

// The service that both servers offer.
module.exports = {
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
  async note(key) {
    notes.set(key, (notes.get(key) || 0) + 1);
    return null;
  },
  async noted(key) {
    return notes.get(key) || 0;
  },
};
