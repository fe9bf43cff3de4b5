/** The same cases as in the other languages, against the running binary: QUOTAD=target/release/quotad npm test. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import grpc from '@grpc/grpc-js';

import { Denied, Quota, Unavailable } from '../quota.js';
import { Lossy, Sidecar } from './sidecar.js';

const sidecar = new Sidecar();
let quota;

before(async () => {
  await sidecar.start();
  quota = new Quota(sidecar.address, { onUnavailable: 'deny', timeout: 20_000 });
});

after(async () => {
  quota?.close();
  await sidecar.remove();
});

/** A call without the client's helpers. */
function raw(method, message) {
  return promisify(quota.stub[method].bind(quota.stub))(message);
}

async function usedAndHeld(user, used, held) {
  const balance = (await quota.balance({ user })).user;
  assert.deepEqual([balance.used, balance.held], [used, held]);
}

async function lossily(work) {
  const lossy = new Lossy(sidecar.socket);
  await lossy.start();
  const client = new Quota(`unix:${lossy.path}`, { onUnavailable: 'deny', timeout: 20_000 });
  try {
    await work(lossy, client);
  } finally {
    client.close();
    lossy.close();
  }
}

test('reserve and commit', async () => {
  const answer = await quota.withReservation({ user: 'u', credits: 70 }, async (hold) => {
    assert.equal(hold.granted, 70);
    return hold.commit(45);
  });
  assert.deepEqual([answer.committed, answer.returned, answer.overrun, answer.late], [45, 25, 0, false]);
});

test('leaving without commit releases', async () => {
  let id;
  const failing = quota.withReservation({ user: 'r', credits: 10 }, async (hold) => {
    id = hold.id;
    await usedAndHeld('r', 0, 10);
    throw new Error('the work failed');
  });
  await assert.rejects(failing, /the work failed/);
  await usedAndHeld('r', 0, 0);
  await assert.rejects(raw('commit', { reservationId: id, amount: 1 }), { code: grpc.status.FAILED_PRECONDITION });
});

test('a commit in quantities has the rate of the reservation', async () => {
  await quota.withReservation({ user: 'q', operation: 'receipt', quantity: 10 }, async (hold) => {
    assert.equal(hold.granted, 320);
    assert.equal((await hold.commit({ quantity: 3 })).committed, 96);
  });
});

test('extend adds credits once and time', async () => {
  await quota.withReservation({ user: 'e', credits: 10, ttl: 30 }, async (hold) => {
    const { reservation } = await hold.extend(5, { ttl: 60 });
    assert.equal(hold.granted, 15);
    assert.ok(reservation.expireTime.seconds * 1_000 > Date.now() + 50_000);
    const request = { reservationId: hold.id, additional: 15, requestId: Buffer.alloc(16, 7) };
    for (let time = 0; time < 2; time++) assert.equal((await raw('extend', request)).reservation.granted, 30);
  });
});

test('the same request is done once', async () => {
  const request = { subject: { user: 'o' }, cost: { credits: 5 }, requestId: Buffer.alloc(16, 9) };
  for (let time = 0; time < 3; time++) assert.equal((await raw('charge', request)).committed, 5);
  await usedAndHeld('o', 5, 0);
  await assert.rejects(raw('charge', { ...request, cost: { credits: 6 } }), { code: grpc.status.INVALID_ARGUMENT });
});

test('every request has a UUIDv7 of its own', async () => {
  const ids = [];
  for (let time = 0; time < 2; time++) {
    await quota.withReservation({ user: 'i', credits: 1 }, async (hold) => ids.push(hold.id));
  }
  const [one, other] = ids;
  assert.notDeepEqual(one, other);
  assert.deepEqual([one.length, one[6] >> 4, one[8] >> 6], [16, 7, 2]);
});

test('a denial carries its figures', async () => {
  await quota.charge({ user: 'ana', credits: 700 });
  await quota.withReservation({ user: 'ana', credits: 100 }, async () => {
    await assert.rejects(quota.charge({ user: 'ana', credits: 201 }), (error) => {
      assert.ok(error instanceof Denied, `${error}`);
      const { reason, account, limit, used, held, available, requested, reset, message } = error;
      assert.deepEqual({ reason, account, limit, used, held, available, requested }, {
        reason: 'QUOTA_EXCEEDED', account: 'users/ana', limit: 1_000, used: 700, held: 100, available: 200, requested: 201,
      });
      assert.ok(reset > new Date());
      assert.match(message, /ana/);
      return true;
    });
  });
});

test('a standing warns from 80 percent on', async () => {
  const charge = async (credits) => (await quota.charge({ user: 'bo', credits })).standing;
  assert.equal((await charge(79)).state, 'STATE_OK');
  const { state, used, limit, available } = await charge(1);
  assert.deepEqual([state, used, limit, available], ['STATE_WARNING', 80, 100, 20]);
  assert.equal((await charge(20)).state, 'STATE_BLOCKED');
});

test('check never fails because of quota', async () => {
  const { decision } = await quota.check({ environment: 'prod', credits: 101 });
  assert.deepEqual([decision.allowed, decision.denial.available], [false, 100]);
  assert.equal((await quota.check({ environment: 'prod', credits: 101, minAmount: 1 })).decision.granted, 100);
  assert.equal((await quota.balance({ environment: 'prod' })).environment.used, 0);
});

test('a balance has three views', async () => {
  const { user, environment, organization } = await quota.balance({ user: 'ana', environment: 'prod' });
  const accounts = [user.account, environment.account, organization.account];
  assert.deepEqual(accounts, ['users/ana', 'environments/prod', 'organization']);
  assert.equal(user.text, '700 of 1,000 credits used (70%)');
  assert.equal(organization.entitlement, 10_000);
});

test('a batch answers each operation', async () => {
  const { outcomes } = await raw('batch', {
    operations: [
      { charge: { subject: { user: 'b' }, cost: { credits: 7 } } },
      { charge: { subject: { environment: 'prod' }, cost: { credits: 101 } } },
      { release: { reservationId: Buffer.alloc(16) } },
    ],
  });
  assert.deepEqual(outcomes.map((outcome) => outcome.result), ['charge', 'denial', 'failure']);
  assert.equal(outcomes[1].denial.reason, 'DENIAL_REASON_QUOTA_EXCEEDED');
  assert.equal(outcomes[2].failure.code, grpc.status.NOT_FOUND);
});

test('a lost answer is asked for again and booked once', async () => {
  await lossily(async (lossy, client) => {
    lossy.lose = 2;
    assert.equal((await client.charge({ user: 'l', credits: 5 })).committed, 5);
    assert.deepEqual([lossy.lose, lossy.requests], [0, 3]);
    lossy.lose = 1;
    await client.withReservation({ user: 'l', credits: 10 }, async (hold) => {
      lossy.lose = 1;
      assert.equal((await hold.commit(7)).committed, 7);
    });
  });
  await usedAndHeld('l', 12, 0);
});

test('only UNAVAILABLE is tried again, and not for ever', async () => {
  await lossily(async (lossy, client) => {
    lossy.lose = 100;
    await assert.rejects(client.charge({ user: 'm', credits: 3 }), Unavailable);
    assert.equal(lossy.requests, 4);
    lossy.lose = lossy.requests = 0;
    await assert.rejects(client.charge({ environment: 'prod', credits: 101 }), Denied);
    const tooMuch = client.charge({ user: 'm', credits: Number.MAX_SAFE_INTEGER + 1 });
    await assert.rejects(tooMuch, { code: grpc.status.INVALID_ARGUMENT });
    assert.equal(lossy.requests, 2);
  });
  await usedAndHeld('m', 3, 0);
});

test('without a sidecar the client does as it was told', async () => {
  assert.throws(() => new Quota('127.0.0.1:1', {}), TypeError);
  const allowing = new Quota('127.0.0.1:1', { onUnavailable: 'allow' });
  await allowing.withReservation({ user: 'u', credits: 1 }, async (hold) => {
    assert.deepEqual([hold.granted, await hold.commit(1)], [0, null]);
  });
  const denying = new Quota('127.0.0.1:1', { onUnavailable: 'deny' });
  await assert.rejects(denying.charge({ user: 'u', credits: 1 }), Unavailable);
  allowing.close();
  denying.close();
});

test('a commit that found nobody can be made again', async () => {
  let left;
  await quota.withReservation({ user: 'k', credits: 50 }, async (hold) => {
    left = hold;
    await sidecar.kill();
    await assert.rejects(hold.commit(30), Unavailable);
    await sidecar.start();
  });
  await usedAndHeld('k', 0, 50); // leaving has not released what may be booked
  assert.equal((await left.commit(30)).committed, 30);
  await usedAndHeld('k', 30, 0);
});
