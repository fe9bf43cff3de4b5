/** Works for user ana until the sidecar says no. Start one first: `quotad` serves an example plan. */

import { Denied, Quota } from './quota.js';

const quota = new Quota(process.env.QUOTAD_ADDRESS ?? '127.0.0.1:7450', { onUnavailable: 'deny' });
try {
  for (;;) {
    await quota.withReservation({ user: 'ana', credits: 300 }, async (hold) => {
      const { committed } = await hold.commit(250); // the work, and what it really took
      console.log(`held ${hold.granted}; committed ${committed}`);
    });
  }
} catch (error) {
  if (!(error instanceof Denied)) throw error;
  console.log(`${error.reason}: ${error.message}`);
} finally {
  quota.close();
}
