// How the exchange is spoken to: signed requests ("Security"), and one WebSocket.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

import { Digits, check } from "./shapes.mjs";

export const CARRIERS = ["query", "form", "json"];

const PATIENCE_MS = 20_000;
const DOCUMENT = JSON.parse(readFileSync(new URL("document.json", import.meta.url), "utf8"));
const ENDPOINTS = new Map(DOCUMENT.endpoints.map((row) => [`${row.method} ${row.path}`, row]));
const FRAMES = new Map(
  [...DOCUMENT.topics, ...DOCUMENT.userStreams].map((row) => [row.type, row.frame]),
);

/** An account's key pair, and what the transcript calls the account. */
export class Keys {
  #apiSecret;

  constructor(account, apiKey, apiSecret) {
    this.account = account;
    this.apiKey = apiKey;
    this.#apiSecret = apiSecret;
  }

  sign(text) {
    return createHmac("sha256", this.#apiSecret).update(text).digest("hex");
  }

  /** The same account's key with a secret that is not its own. */
  forged(account) {
    return new Keys(account, this.apiKey, "0".repeat(64));
  }

  /** A key that nobody has. */
  unknown(account) {
    return new Keys(account, "0".repeat(64), this.#apiSecret);
  }
}

/** The REST interface. `tell` gets the call, the request and the reply of everything sent. */
export class Rest {
  #baseUrl;
  #tell;

  constructor(baseUrl, tell) {
    this.#baseUrl = baseUrl;
    this.#tell = tell;
  }

  /** Gets something that needs no signature; the reply has `code`. */
  async open(path, parameters = {}, code = "00000") {
    assert(!ENDPOINTS.get(`GET ${path}`).signed, path);
    const text = new URLSearchParams(parameters).toString();
    const response = await this.#fetch(`${path}${text && "?"}${text}`, {});
    return this.#read(`GET ${path}`, parameters, response, code);
  }

  /** Gets something of an account. */
  get(path, keys, parameters = {}, code = "00000") {
    return this.#signed("GET", path, keys, "query", parameters, code);
  }

  /** Posts in the query string, as a form or as JSON; the signature covers all before it. */
  post(path, keys, carrier, parameters = {}, code = "00000") {
    return this.#signed("POST", path, keys, carrier, parameters, code);
  }

  /** Sends a query just as it is; the reply has `code`. */
  async bare(method, path, text, headers, code) {
    const response = await this.#fetch(`${path}?${text}`, { method, headers });
    return this.#read(`${method} ${path}`, { expected: code }, response, code);
  }

  async #signed(method, path, keys, carrier, parameters, code) {
    assert(ENDPOINTS.get(`${method} ${path}`).signed, path);
    const pairs = { ...parameters, timestamp: String(Date.now()) };
    const text = new URLSearchParams(pairs).toString();
    const signature = keys.sign(text);
    const headers = { "X-APNK-APIKEY": keys.apiKey };
    const options = { method, headers };
    let target = path;
    if (carrier === "query") {
      target += `?${text}&signature=${signature}`;
    } else if (carrier === "form") {
      headers["Content-Type"] = "application/x-www-form-urlencoded";
      options.body = `${text}&signature=${signature}`;
    } else {
      headers["Content-Type"] = "application/json";
      options.body = JSON.stringify({ ...pairs, signature });
    }
    const response = await this.#fetch(target, options);
    const request = { account: keys.account, carrier, ...parameters };
    return this.#read(`${method} ${path}`, request, response, code);
  }

  #fetch(target, options) {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    return fetch(`${this.#baseUrl}/${target}`, { ...options, signal });
  }

  async #read(call, request, response, code) {
    const { parameters, reply: shape } = ENDPOINTS.get(call);
    const known = new Set(parameters.map((name) => name.replace("?", "")));
    for (const name of ["account", "carrier", "expected"]) known.add(name);
    for (const name of Object.keys(request)) assert(known.has(name), `${call} ${name}`);
    const reply = parse(await response.text());
    this.#tell(call, request, reply);
    const where = `${call} ${JSON.stringify(request)}`;
    assert.equal(reply.code, code, `${where}: ${JSON.stringify(reply)}`);
    check({ code: "text", ...(code === "00000" ? shape : { "msg?": DOCUMENT.codes[code] }) }, reply, where);
    return reply;
  }
}

/** One WebSocket. Every frame is held to its shape as it comes in. */
export class Stream {
  #socket;
  #tell;
  #waiting = [];
  #arrived = () => {};
  #answers = [];
  #happened = [];
  #newest = new Map();

  constructor(socket, tell) {
    this.#socket = socket;
    this.#tell = tell;
    socket.onmessage = ({ data }) => this.#wake({ text: data });
    socket.onclose = ({ code }) => this.#wake({ closed: code });
  }

  static async connect(url, tell) {
    const socket = new WebSocket(url);
    const stream = new Stream(socket, tell);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("the stream does not open"));
    });
    return stream;
  }

  close() {
    this.#socket.close();
  }

  /** Sends the live clients' ping, which nothing answers. */
  heartbeat() {
    this.#socket.send(JSON.stringify({ data: "ping" }));
  }

  /** Sends a command; gives its acknowledgements, one for each of `params`, or one. */
  async ask(method, params = [], members = {}) {
    this.#socket.send(JSON.stringify({ method, ...(params.length && { params }), ...members }));
    while (this.#answers.length < Math.max(1, params.length)) await this.#receive();
    const answers = this.#answers.splice(0);
    this.#tell(method, { params }, answers);
    return answers;
  }

  /** Waits until the newest frame of a kind, with these names, is as it should be. */
  async state(kind, agrees, names) {
    const key = [kind, ...Object.values(names)].join(" ");
    while (!this.#newest.has(key) || !agrees(this.#newest.get(key))) await this.#receive();
    this.#tell(kind, names, this.#newest.get(key));
  }

  /** Waits for something that happens once: the first such trade or order not yet taken. */
  async event(kind, agrees) {
    for (;;) {
      const index = this.#happened.findIndex((frame) => frame.type === kind && agrees(frame));
      if (index >= 0) {
        const [frame] = this.#happened.splice(index, 1);
        this.#tell(kind, {}, frame);
        return frame;
      }
      await this.#receive();
    }
  }

  /** What happened, and nobody asked about. */
  left(kind) {
    return this.#happened.filter((frame) => frame.type === kind);
  }

  #wake(event) {
    this.#waiting.push(event);
    this.#arrived();
  }

  async #receive() {
    if (!this.#waiting.length) await this.#something();
    const { text, closed } = this.#waiting.shift();
    if (closed !== undefined) throw new Error(`the stream was closed with ${closed}`);
    const frame = parse(text);
    if (Object.hasOwn(frame, "method")) {
      this.#answers.push(frame);
      return;
    }
    if (!FRAMES.has(frame.type)) throw new Error(`a frame of no documented type: ${text}`);
    check({ type: `text ${frame.type}`, ...FRAMES.get(frame.type) }, frame, frame.type);
    if (frame.type === "trade" || frame.type === "orderUpdate") {
      this.#happened.push(frame);
    } else {
      const names = [frame.symbol, frame.interval].filter((name) => name !== undefined);
      this.#newest.set([frame.type, ...names].join(" "), frame);
    }
  }

  async #something() {
    let timer;
    await new Promise((resolve, reject) => {
      this.#arrived = resolve;
      timer = setTimeout(() => reject(new Error("no frame came")), PATIENCE_MS);
    });
    clearTimeout(timer);
  }
}

/** Whether `frame` has these members, but for some of them. */
export function holds(frame, members, ...but) {
  return Object.entries(members)
    .filter(([name]) => !but.includes(name))
    .every(([name, value]) => isDeepStrictEqual(frame[name], value));
}

/** Reads JSON, keeping the digits of each number. */
function parse(text) {
  const keep = (_, value, { source }) => (typeof value === "number" ? new Digits(source) : value);
  return JSON.parse(text, keep);
}
