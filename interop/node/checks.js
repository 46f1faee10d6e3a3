'use strict';

/** Runs checks one after the other and counts those that fail. */
class Checks {
  constructor(name) {
    this.name = name;
    this.failed = 0;
  }

  async run(what, check) {
    try {
      await check();
      console.log(`ok ${this.name}: ${what}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED ${this.name}: ${what}: ${error}`);
    }
  }
}

module.exports = { Checks };
