/** A denial as an error with its figures, out of the google.rpc.ErrorInfo that the gRPC error carries. */

import grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** What google/rpc says of these three; they are part of gRPC's contract and do not change. */
const rpc = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`).root;
const Status = rpc.lookupType('google.rpc.Status');
const ErrorInfo = rpc.lookupType('google.rpc.ErrorInfo');

/** The rules refuse the credits. The message is a sentence for people; programs read the rest. */
export class Denied extends Error {
  name = 'Denied';

  constructor(message, reason, figures) {
    super(message);
    /** QUOTA_EXCEEDED, OVERAGE_BLOCKED, ... */
    this.reason = reason;
    /** The account with the least headroom: organization, pool, environments/E or users/U. */
    this.account = figures.account ?? '';
    // Credits. A RESOURCE_LIMIT, which is the sidecar's own bound, has no figures.
    for (const name of ['limit', 'used', 'held', 'available', 'requested']) this[name] = Number(figures[name] ?? 0);
    /** When the cycle ends and counters start at zero. */
    this.reset = figures.reset ? new Date(figures.reset) : null;
  }
}

/** The Denied that a gRPC error carries, or null. */
export function denial(error) {
  if (error.code !== grpc.status.RESOURCE_EXHAUSTED) return null;
  for (const bytes of error.metadata?.get('grpc-status-details-bin') ?? []) {
    for (const detail of Status.decode(bytes).details) {
      if (!detail.typeUrl.endsWith('/google.rpc.ErrorInfo')) continue;
      const info = ErrorInfo.decode(detail.value);
      if (info.domain === 'quotad') return new Denied(error.details, info.reason, info.metadata);
    }
  }
  return null;
}
