/**
 * Server-sent events (WHATWG HTML §9.2), and an answer put together from as many connections as it takes.
 *
 * Invariant of `AnswerState`: whatever is cut, repeated or sent again whole, each sequence number is given once, in order, and the deltas joined are the response.
 */

import { APIConnectionError, errorOf } from "./errors.js";
import type { ChatResponse, StreamEvent } from "./types.js";

const MAX_EVENT_CHARS = 64 << 20;

/** Cuts bytes, however they are chunked, into the JSON objects of whole events. */
export class SSEDecoder {
  private readonly decoder = new TextDecoder();
  private buffer = "";
  private data: string[] = [];

  feed(chunk: Uint8Array): any[] {
    this.buffer += this.decoder.decode(chunk, { stream: true });
    if (this.buffer.length > MAX_EVENT_CHARS) throw new APIConnectionError("An event has no end");
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const held = this.buffer.endsWith("\r") ? "\r" : "";
    const lines = this.buffer.slice(0, this.buffer.length - held.length).split(/\r\n|\r|\n/);
    this.buffer = lines.pop() + held;
    const events: any[] = [];
    for (const line of lines) {
      if (line.startsWith("data:")) this.data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "" && this.data.length) events.push(JSON.parse(this.data.splice(0).join("\n")));
    }
    return events;
  }
}

/** What of an answer has been given out. */
export class AnswerState {
  interactionId?: string;
  sessionId?: string;
  text = "";
  completed?: ChatResponse;
  private last = -1;
  private next = -1;
  private whole = false;
  private again = 0;

  /** A new connection starts; it may go on from `last` or send the recorded answer whole. */
  connected(): void {
    this.next = -1;
    this.whole = false;
    this.again = 0;
  }

  get lastEventId(): string | undefined {
    return this.last < 0 ? undefined : `${this.interactionId}:${this.last}`;
  }

  /** The event to give out, if there is something new in it. Throws the error that ends an answer. */
  accept(event: any): StreamEvent | undefined {
    const number: number = event.sequenceNumber;
    if (this.next < 0 && number === 0 && this.last >= 0) this.whole = true;
    const missing = this.next >= 0 && number > this.next;
    this.next = number + 1;
    if (missing || (!this.whole && number > this.last + 1)) throw new APIConnectionError("An event is missing");
    if (this.whole) return this.give(this.newOf(event));
    return number <= this.last ? undefined : this.give(event);
  }

  /** What an answer that is sent whole again adds. Its deltas may be cut elsewhere than the first time, so text counts, not numbers. */
  private newOf(event: any): any {
    const sequenceNumber = this.last + 1;
    if (event.type === "message.delta") {
      const text = event.text.slice(Math.max(0, this.text.length - this.again));
      this.again += event.text.length;
      return text && { ...event, text, sequenceNumber };
    }
    const had = event.type === "message.created" ? 0 : event.type === "message.sources" ? 1 : Infinity;
    return this.last >= had ? undefined : { ...event, sequenceNumber };
  }

  private give(event: any): StreamEvent | undefined {
    if (!event) return undefined;
    this.last = event.sequenceNumber;
    if (event.type === "message.created") {
      this.interactionId = event.id;
      this.sessionId = event.sessionId;
    } else if (event.type === "message.delta") {
      this.text += event.text;
    } else if (event.type === "message.completed") {
      const { type: _type, sequenceNumber: _number, ...completed } = event;
      this.completed = completed;
    } else if (event.type === "error") {
      throw errorOf(event);
    }
    return event;
  }
}
