/**
 * Everything that a call can throw, but for an abort, which throws its signal's reason.
 *
 * Invariant: what the server answered is an `APIError` whose class follows from its `code`; what never got a whole answer is an `APIConnectionError`.
 */

export class TwigError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No whole answer came: the network failed or the server went away. */
export class APIConnectionError extends TwigError {}
/** The server was silent for longer than `timeout`. */
export class APITimeoutError extends APIConnectionError {}
/** What was waited for had not ended in the time given; it goes on at the server. */
export class WaitTimeoutError extends TwigError {}
/** A webhook without a valid signature: answer it 400 and do nothing with it. */
export class WebhookVerificationError extends TwigError {}

export interface APIErrorMembers {
  code: string;
  status: number;
  details?: unknown;
  requestId?: string;
  retryAfter?: number;
}

/** An error that the server answered. `code` carries the meaning, `message` is for people. */
export class APIError extends TwigError {
  readonly code: string;
  readonly status: number;
  readonly details: any;
  readonly requestId?: string;
  /** Seconds after which the server asks to be tried again. */
  readonly retryAfter?: number;
  /** How often the request was sent before it was given up. */
  attempts = 1;

  constructor(message: string, members: APIErrorMembers) {
    super(message);
    this.code = members.code;
    this.status = members.status;
    this.details = members.details;
    this.requestId = members.requestId;
    this.retryAfter = members.retryAfter;
  }
}

/** 400: `details.fields` lists each offending field as `{pointer, reason}`. */
export class InvalidRequestError extends APIError {}
/** 401: no key, or one that is malformed, unknown, expired or revoked. */
export class UnauthorizedError extends APIError {}
/** 403: the key lacks the scope in `details.requiredScope`. */
export class ForbiddenError extends APIError {}
export class NotFoundError extends APIError {}
export class MethodNotAllowedError extends APIError {}
/** 409: the state does not allow it, such as a question to an agent that is not active. */
export class ConflictError extends APIError {}
/** 412: the version in `ifMatch` is stale; read again and decide again. */
export class PreconditionFailedError extends APIError {}
/** 413: over 1 MiB of JSON or 50 MiB of a file. */
export class PayloadTooLargeError extends APIError {}
export class UnsupportedMediaTypeError extends APIError {}
/** 422: this Idempotency-Key was used with another body or route. */
export class IdempotencyMismatchError extends APIError {}
/** 429: still limited after the retries; `retryAfter` tells when to come back. */
export class RateLimitError extends APIError {}
/** 500, and any 5xx without a code of its own. */
export class InternalServerError extends APIError {}
/** 502: the model provider failed. */
export class UpstreamError extends APIError {}
export class UnavailableError extends APIError {}
/** 504: the model provider was too slow. */
export class UpstreamTimeoutError extends APIError {}

const BY_CODE: Record<string, [number, typeof APIError]> = {
  invalid_request: [400, InvalidRequestError],
  unauthorized: [401, UnauthorizedError],
  forbidden: [403, ForbiddenError],
  not_found: [404, NotFoundError],
  method_not_allowed: [405, MethodNotAllowedError],
  conflict: [409, ConflictError],
  precondition_failed: [412, PreconditionFailedError],
  payload_too_large: [413, PayloadTooLargeError],
  unsupported_media_type: [415, UnsupportedMediaTypeError],
  idempotency_mismatch: [422, IdempotencyMismatchError],
  rate_limit_exceeded: [429, RateLimitError],
  internal_error: [500, InternalServerError],
  upstream_error: [502, UpstreamError],
  unavailable: [503, UnavailableError],
  upstream_timeout: [504, UpstreamTimeoutError],
};

/** The error of a body; a proxy's, which has no envelope, too. Without a status, of a stream's `error` event. */
export function errorOf(body: any, status?: number, headers?: Headers): APIError {
  const error = body && typeof body === "object" ? body : {};
  const code = error.code in BY_CODE ? error.code : Object.keys(BY_CODE).find((one) => BY_CODE[one]![0] === status);
  const known = BY_CODE[code];
  status ??= known?.[0] ?? 500;
  const kind = known?.[1] ?? (status >= 500 ? InternalServerError : APIError);
  return new kind(String(error.message ?? `The server answered ${status}`), {
    code: code ?? (status >= 500 ? "internal_error" : "unknown"),
    status,
    details: error.details,
    requestId: error.requestId ?? headers?.get("x-request-id") ?? undefined,
    retryAfter: retryAfterOf(headers?.get("retry-after")) ?? (typeof error.retryAfter === "number" ? error.retryAfter : undefined),
  });
}

/** RFC 9110 §10.2.3: seconds or a date. */
function retryAfterOf(text: string | null | undefined): number | undefined {
  if (!text) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
