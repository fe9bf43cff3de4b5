/**
 * A small client for quotad. It reads the .proto files when it starts, so there is nothing to generate.
 *
 *     const quota = new Quota('127.0.0.1:7450', { onUnavailable: 'deny' });
 *     await quota.withReservation({ user: 'ana', credits: 500 }, async (hold) => {
 *       const used = await work();
 *       await hold.commit(used);      // leaving without a commit releases
 *     });
 */

import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { v7 as uuidv7 } from 'uuid';

import { Denied, denial } from './denied.js';

export { Denied };

/** Where the .proto files are; a copy of this folder elsewhere needs a copy of them. */
const PROTO = process.env.QUOTAD_PROTO ?? fileURLToPath(new URL('../../proto', import.meta.url));

/** Credits are at most 2^53 - 1, so a number holds them exactly. */
const definition = protoLoader.loadSync('quotad/v1/quota.proto', {
  includeDirs: [PROTO], longs: Number, enums: String, defaults: true, oneofs: true,
});
const { QuotaService } = grpc.loadPackageDefinition(definition).quotad.v1;

/**
 * Only UNAVAILABLE is worth retrying, and only because every request carries an id of its own: the sidecar answers a
 * repeated one without booking it again.
 */
const RETRIES = JSON.stringify({
  methodConfig: [{
    name: [{ service: 'quotad.v1.QuotaService' }],
    retryPolicy: {
      maxAttempts: 4,
      initialBackoff: '0.05s',
      maxBackoff: '1s',
      backoffMultiplier: 2,
      retryableStatusCodes: ['UNAVAILABLE'],
    },
  }],
});

/** A sidecar that was away is found again within a second; gRPC's own default waits up to two minutes. */
const RECONNECTS = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** No sidecar answered, and the client was told to deny then. */
export class Unavailable extends Error {
  name = 'Unavailable';
}

/**
 * Who asks, and for how much: credits, or a quantity of an operation of the rate card.
 * @typedef {object} Request
 * @property {string} [organization] Left out: `default`.
 * @property {string} [environment] Left out: `default`.
 * @property {string} [user]
 * @property {string} [product]
 * @property {string} [model]
 * @property {number} [credits] Beside it, `operation` only names class and product.
 * @property {string} [operation] A line of the rate card.
 * @property {number} [quantity] Of the operation; left out: 1.
 * @property {number} [minAmount] How little will do, in credits; left out: all or nothing.
 * @property {number} [ttl] Seconds after which a reservation ends by itself, at most 3,600; left out: 60.
 */

/** Credits that are kept until commit or release. */
class Hold {
  #quota;
  #open;
  #unsure = false;

  constructor(quota, reservation) {
    this.#quota = quota;
    this.#open = Boolean(reservation);
    /** Names the reservation; empty where the work goes on without a sidecar. */
    this.id = reservation?.id ?? Buffer.alloc(0);
    /** How many credits are held. */
    this.granted = reservation?.granted ?? 0;
  }

  /**
   * Books what was really used: credits, or `{ quantity }` of the operation that was reserved.
   *
   * If no sidecar answers, the work may be booked or not: leaving does not release then, and the same commit may be
   * made again.
   */
  async commit(actual) {
    if (!this.#open) return null;
    const amount = typeof actual === 'number' ? { amount: actual } : { quantity: actual.quantity };
    this.#unsure = true;
    let answer;
    try {
      answer = await this.#quota.call('commit', { reservationId: this.id, ...amount });
    } catch (error) {
      this.#unsure = error instanceof Unavailable; // what was refused is not booked
      throw error;
    }
    this.#open = answer === null;
    return answer;
  }

  /** Holds so many credits more, or holds them longer: `ttl` seconds from now. */
  async extend(additional, { ttl } = {}) {
    if (!this.#open) return null;
    const answer = await this.#quota.call('extend', {
      reservationId: this.id, additional, ttl: duration(ttl), requestId: newId(),
    });
    if (answer) this.granted = answer.reservation.granted;
    return answer;
  }

  /** Gives the credits back, unless they were committed. */
  async release() {
    if (!this.#open || this.#unsure) return null;
    this.#open = false;
    return this.#quota.call('release', { reservationId: this.id });
  }
}

/** A channel to the sidecar beside this process. */
export class Quota {
  #allow;
  #timeout;

  /**
   * @param {string} address HOST:PORT or unix:PATH.
   * @param {object} options
   * @param {'allow' | 'deny'} options.onUnavailable What happens when no sidecar answers: `allow` lets the work go on
   *   without credits (answers are null then), `deny` throws Unavailable. There is no default.
   * @param {number} [options.timeout] Milliseconds that a call may take, retries included.
   */
  constructor(address, { onUnavailable, timeout = 2_000 }) {
    if (!['allow', 'deny'].includes(onUnavailable)) throw new TypeError('onUnavailable is "allow" or "deny"');
    this.#allow = onUnavailable === 'allow';
    this.#timeout = timeout;
    const options = { 'grpc.service_config': RETRIES, ...RECONNECTS };
    /** Makes the calls that have no helper here, such as batch and stream; it knows neither onUnavailable nor Denied. */
    this.stub = new QuotaService(address, grpc.credentials.createInsecure(), options);
  }

  /**
   * Keeps credits for the work, and gives back what it returns. Leaving it without a commit, also by an error, releases.
   * @template T
   * @param {Request} request
   * @param {(hold: Hold) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async withReservation(request, work) {
    const hold = await this.reserve(request);
    try {
      return await work(hold);
    } finally {
      await hold.release().catch(() => {}); // it ends by itself
    }
  }

  /** Keeps credits for work that begins now; whoever calls it releases. @param {Request} request */
  async reserve(request) {
    const answer = await this.call('reserve', {
      ...asked(request), minAmount: request.minAmount, ttl: duration(request.ttl), reservationId: newId(),
    });
    return new Hold(this, answer?.reservation);
  }

  /** Reserves and commits in one step. @param {Request} request */
  async charge(request) {
    return this.call('charge', { ...asked(request), requestId: newId() });
  }

  /** Tells what reserve would answer. It changes nothing, and a denial is no error. @param {Request} request */
  async check(request) {
    return this.call('check', { ...asked(request), minAmount: request.minAmount });
  }

  /** Tells how the user, the environment and the organization stand. @param {Request} request */
  async balance(request) {
    return this.call('getBalance', { subject: subject(request) });
  }

  close() {
    this.stub.close();
  }

  /** Makes a call of the service; its errors become those of this module. */
  async call(method, message) {
    const made = promisify(this.stub[method].bind(this.stub));
    try {
      return await made(message, { deadline: Date.now() + this.#timeout });
    } catch (error) {
      const denied = denial(error);
      if (denied) throw denied;
      if (![grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED].includes(error.code)) throw error;
      if (this.#allow) return null;
      throw new Unavailable(error.details, { cause: error });
    }
  }
}

/** A UUIDv7. By the time in it the sidecar knows an id that is too old to be remembered, and refuses it. */
function newId() {
  return uuidv7(undefined, Buffer.alloc(16));
}

function subject({ organization, environment, user, product, model }) {
  return { organization, environment, user, product, model };
}

function asked(request) {
  const { credits, operation, quantity = 1 } = request;
  const cost = credits === undefined ? { usage: { operation, quantity } } : { credits, operation };
  return { subject: subject(request), cost };
}

function duration(seconds) {
  if (seconds === undefined) return undefined;
  const whole = Math.floor(seconds);
  return { seconds: whole, nanos: Math.round((seconds - whole) * 1e9) };
}
