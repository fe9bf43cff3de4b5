/** The running binary under a test: one data directory and one Unix socket in a folder, however often it is started. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PLAN = `
organizations:
  default:
    grants: [{kind: contract, credits: 10000}]
    environments: {prod: {allocation: 100}}
    users: {ana: {limit: 1000, type: hard}, bo: {limit: 100, type: hard}}
rate_card:
  receipt: {credits: 32}
`;

export class Sidecar {
  #binary = process.env.QUOTAD;
  #folder = mkdtempSync(join(tmpdir(), 'quotad-'));
  #process;

  constructor() {
    if (!this.#binary) throw new Error('QUOTAD must name the quotad binary: the tests run against the real one');
    writeFileSync(join(this.#folder, 'plan.yaml'), PLAN);
    this.socket = join(this.#folder, 'quotad.sock');
    this.address = `unix:${this.socket}`;
  }

  /** Starts it, and waits until it answers. */
  async start() {
    const log = openSync(join(this.#folder, 'log'), 'a');
    this.#process = spawn(this.#binary, [
      '--plan', join(this.#folder, 'plan.yaml'), '--socket', this.socket, '--listen', 'none',
      '--probes-listen', 'none', '--management-listen', 'none', '--data-dir', join(this.#folder, 'data'),
    ], { stdio: ['ignore', log, log] });
    closeSync(log);
    const waited = spawnSync(this.#binary, ['wait', '--probes', this.address, '--timeout', '20s']);
    if (waited.status !== 0) {
      await this.kill();
      throw new Error(`no answer within 20 s:\n${readFileSync(join(this.#folder, 'log'))}`);
    }
  }

  /** Ends it at once, as kill -9 does. */
  async kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async remove() {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

const PREFACE_BYTES = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length;
const HEAD_BYTES = 9;
/** The type of the HTTP/2 frame that begins a request or a response. */
const HEADERS = 1;

/**
 * A socket in front of the sidecar that can lose answers: it cuts the connection where a response begins, which is when
 * the sidecar has done what was asked for.
 */
export class Lossy {
  /** So many answers are lost from now on. */
  lose = 0;
  /** Requests that came. */
  requests = 0;
  #folder = mkdtempSync(join(tmpdir(), 'lossy-'));
  #server;

  constructor(upstream) {
    this.path = join(this.#folder, 'lossy.sock');
    this.#server = net.createServer((near) => {
      const far = net.connect(upstream);
      passOn(near, far, PREFACE_BYTES, () => ++this.requests > 0);
      passOn(far, near, 0, () => this.lose === 0 || this.lose-- === 0);
    });
  }

  async start() {
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  close() {
    this.#server.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Passes whole frames on, until one of HEADERS may not pass or a side closes; then both are closed. */
function passOn(source, sink, prefaceBytes, mayPass) {
  let waiting = Buffer.alloc(0);
  let preface = prefaceBytes;
  const end = () => {
    source.destroy();
    sink.destroy();
  };
  source.on('error', end);
  source.on('close', end);
  source.on('data', (bytes) => {
    waiting = Buffer.concat([waiting, bytes]);
    if (waiting.length < preface) return;
    let whole = preface;
    while (waiting.length >= whole + HEAD_BYTES) {
      const size = HEAD_BYTES + waiting.readUIntBE(whole, 3);
      if (waiting.length < whole + size) break;
      if (waiting[whole + 3] === HEADERS && !mayPass()) return end();
      whole += size;
    }
    preface = 0;
    sink.write(waiting.subarray(0, whole));
    waiting = waiting.subarray(whole);
  });
}
