// Calls every endpoint and listens to every stream; README.md says what goes in and comes out.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

import { Accounting } from "./accounting.mjs";
import { CARRIERS, Keys, Rest, Stream } from "./connections.mjs";
import { decimal } from "./decimals.mjs";
import { Trading, changed, wallet, walletIsTold } from "./trading.mjs";

const SYMBOL = "BTCUSDT";
const INTERVALS = ["m1", "m3", "m5", "m15", "m30", "h1", "h2", "h4", "d1"];
const MARKET = "v3/api/market";
const BALANCE = "v3/api/balance";
const DAY_MS = 86_400_000;
const HISTORY_ROWS = 5;
const REFUSED = [
  ["10029", { node: "NOSUCH" }],
  ["10031", { amount: "20000" }],
  ["10063", { address: "nobody" }],
  ["20009", { amount: "0" }],
  ["20010", { address: "" }],
];
const PENDING = ["11", "21"];

// How old a request is, its window, and what is answered; without a window it is 10 seconds.
const AGES = [
  [0, "", "00000"],
  [60_000, "", "20004"],
  [20_000, "&windowSize=60000", "00000"],
  [5_000, "&windowSize=1000", "20004"],
];

/** "General Endpoints", and what "Security" says of requests that are not as they should be. */
async function general(rest, keys) {
  await rest.open("v3/api/ping");
  await rest.open("v3/api/time");
  const path = `${BALANCE}/wallet`;
  for (const carrier of CARRIERS) {
    await rest.post(path, keys, carrier);
    await rest.post(path, keys, carrier, { windowSize: "5000" });
  }
  await rest.post(path, keys.unknown("stranger"), "query", {}, "20001");
  await rest.get(path, keys.forged("impostor"), {}, "20001");
  const mine = { "X-APNK-APIKEY": keys.apiKey };
  const unstamped = `signature=${keys.sign("")}`;
  await rest.bare("GET", path, unstamped, {}, "20000");
  await rest.bare("GET", path, unstamped, mine, "20003");
  for (const [ageMs, window, code] of AGES) {
    const stamp = `timestamp=${Date.now() - ageMs}${window}`;
    await rest.bare("GET", path, `${stamp}&signature=${keys.sign(stamp)}`, mine, code);
  }
}

/** "Market Endpoints", while nothing was traded; gives the accounting of what will be. */
async function marketEndpoints(rest) {
  const { markets } = await rest.open(`${MARKET}/markets`);
  const { info } = await rest.open(`${MARKET}/info`, { symbol: SYMBOL });
  const names = [info.symbol, info.firstSymbol, info.secondSymbol];
  assert.deepEqual(names, [SYMBOL, "BTC", "USDT"]);
  const accounting = new Accounting(info);
  accounting.checkStatistics(markets.find((row) => row.symbol === SYMBOL));
  for (const name of ["24h", "info", "candles", "orderbook", "depth", "trades"]) {
    await rest.open(`${MARKET}/${name}`, { symbol: SYMBOL });
    await rest.open(`${MARKET}/${name}`, { symbol: "BTCBTC" }, "10037");
  }
  const candles = `${MARKET}/candles`;
  for (const interval of INTERVALS) await rest.open(candles, { symbol: SYMBOL, interval });
  const now = Date.now();
  const [startDate, endDate] = [String(now - DAY_MS), String(now)];
  await rest.open(candles, { symbol: SYMBOL, startDate });
  await rest.open(candles, { symbol: SYMBOL, startDate, endDate, interval: "h1" });
  return accounting;
}

/** The trades of today are in the candles of these days, and in none before or after. */
async function candlesOfATime({ rest, accounting }) {
  const names = { symbol: SYMBOL, interval: "d1" };
  const asked = async (bounds) =>
    (await rest.open(`${MARKET}/candles`, { ...names, ...bounds })).candles;
  const now = Date.now();
  const [before, after] = [String(now - 2 * DAY_MS), String(now + DAY_MS)];
  accounting.checkCandles(await asked({ startDate: before, endDate: after }));
  accounting.checkCandles(await asked({ startDate: before }));
  accounting.checkCandles(await asked({ endDate: after }));
  assert.deepEqual(await asked({ endDate: before }), []);
  assert.deepEqual(await asked({ startDate: after }), []);
}

/** "Websocket Data Streams"; at the end every topic of SYMBOL is subscribed to. */
async function subscriptions(stream) {
  stream.heartbeat();
  await refused(stream, { type: "ticker", symbol: "BTCBTC" });
  await refused(stream, { type: "orders", symbol: SYMBOL });
  await refused(stream, { type: "candles", symbol: SYMBOL, interval: "m2" });
  await granted(stream, "SUBSCRIBE", { type: "allTickers" });
  for (const type of ["ticker", "orderBook", "depth", "trade"])
    await granted(stream, "SUBSCRIBE", { type, symbol: SYMBOL });
  const candles = INTERVALS.map((interval) => ({ type: "candles", symbol: SYMBOL, interval }));
  await granted(stream, "SUBSCRIBE", ...candles);
  await granted(stream, "UNSUBSCRIBE", { type: "depth", symbol: SYMBOL });
  await granted(stream, "UNSUBSCRIBE", ...candles.slice(0, 2));
  await granted(stream, "SUBSCRIBE", { type: "depth", symbol: SYMBOL });
  const [listed] = await stream.ask("LIST_SUBSCRIPTIONS");
  assert.equal(listed.status, "success");
  assert.equal(listed.result.length, 5 + INTERVALS.length - 2);
}

async function granted(stream, method, ...params) {
  const due = params.map((topic) => ({ method, status: "success", ...topic }));
  assert.deepEqual(await stream.ask(method, params), due);
}

async function refused(stream, topic) {
  const [answer] = await stream.ask("SUBSCRIBE", [topic]);
  assert.equal(answer.status, "failed");
  assert(answer.message);
}

/** "Starting User Data Stream": first with a signature that is not right. */
async function logIn(stream, keys) {
  const method = "USER_STREAMS";
  const attempt = (signature) => stream.ask(method, [], { apiKey: keys.apiKey, signature });
  const failure = { status: "failed", message: "Unauthorized Access" };
  assert.deepEqual(await attempt("0".repeat(64)), [{ method, ...failure }]);
  assert.deepEqual(await attempt(keys.sign(keys.apiKey)), [{ method, status: "success" }]);
}

/** "Signed Balance Endpoints"; what is withdrawn is reserved at once. */
async function transfers(exchange) {
  const { rest, trader } = exchange;
  const { currencies } = await rest.get(`${BALANCE}/currencies`, trader);
  const assets = new Set(currencies.map((row) => row.symbol));
  assert.deepEqual(assets, new Set(Object.keys(await wallet(exchange))));
  for (const carrier of CARRIERS) {
    for (const symbol of ["TRY", "BTC"]) {
      const { currency } = await rest.post(`${BALANCE}/deposit`, trader, carrier, { symbol });
      assert.equal(currency.symbol, symbol);
    }
    for (const name of ["deposit", "withdraw"])
      await rest.post(`${BALANCE}/${name}`, trader, carrier, { symbol: "NOSUCH" }, "10037");
    await withdraw(exchange, carrier, "BTC", "0.01", {});
    await withdraw(exchange, carrier, "XRP", "100", { secondParameter: "12345" });
  }
  await histories(exchange);
}

async function histories({ rest, trader, noWithdrawal }) {
  const { history } = await rest.get(`${BALANCE}/withdraw-history`, trader);
  assert.equal(history.length, noWithdrawal ? 0 : HISTORY_ROWS);
  const sums = new Set(history.map((row) => `${row.amount.text} ${row.symbol}`));
  assert.deepEqual(sums, new Set(noWithdrawal ? [] : ["0.01 BTC", "100 XRP"]));
  const deposits = (await rest.get(`${BALANCE}/deposit-history`, trader)).history;
  assert.deepEqual(deposits.map((row) => `${row.amount.text} ${row.symbol}`), ["0.00213 BTC"]);
  assert([...history, ...deposits].every((row) => PENDING.includes(row.state.text)));
}

async function withdraw(exchange, carrier, symbol, amount, extra) {
  const { rest, trader, noWithdrawal } = exchange;
  const path = `${BALANCE}/create-withdraw`;
  const { currency } = await rest.post(`${BALANCE}/withdraw`, trader, carrier, { symbol });
  const channel = currency.channels.find((each) => each.addressList.length > 0);
  const address = channel.addressList[0].address;
  const sent = { symbol, address, amount, node: channel.name };
  const before = (await wallet(exchange))[symbol];
  const attempt = (code, terms) =>
    rest.post(path, trader, carrier, { ...sent, ...terms }, noWithdrawal ?? code);
  await attempt("00000", extra);
  for (const [code, change] of REFUSED) await attempt(code, { ...extra, ...change });
  await attempt("10064", extra.secondParameter ? {} : { secondParameter: "12345" });
  const after = (await (noWithdrawal ? wallet(exchange) : walletIsTold(exchange, symbol)))[symbol];
  assert.deepEqual(after.total, before.total);
  const bound = decimal(after.reserved.text) - decimal(before.reserved.text);
  const withdrawn = decimal(amount) + decimal(channel.commission.text);
  assert.equal(bound, noWithdrawal ? decimal("0") : withdrawn);
}

/** The exchange cancels all orders of the trader ("User Order Update Messages"). */
async function cancelledAll(exchange, { url, body }) {
  const { rest, trader, own } = exchange;
  const order = { symbol: SYMBOL, price: "50000", amount: "0.001" };
  const { orderId } = (await rest.post(`${MARKET}/limit-buy`, trader, "query", order)).order;
  const headers = { "Content-Type": "application/json" };
  const done = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  assert(done.ok, await done.text());
  await changed(own, orderId, "CANCELLED_ALL");
  assert.deepEqual((await rest.get(`${MARKET}/user-orders`, trader)).orders, []);
  await walletIsTold(exchange, "USDT");
}

/** Does everything in order; what is not as the document says ends it with an exception. */
async function run(baseUrl, streamUrl, given) {
  const account = (name) => new Keys(name, given[name].apiKey, given[name].apiSecret);
  const [trader, counterparty] = [account("trader"), account("counterparty")];
  const rest = new Rest(baseUrl, tell);
  const connect = () => Stream.connect(streamUrl, tell);
  const streams = [await connect(), await connect(), await connect()];
  const [open, own, others] = streams;
  await general(rest, trader);
  const accounting = await marketEndpoints(rest);
  const { noWithdrawal } = given;
  const exchange = { trader, counterparty, rest, open, own, others, accounting, noWithdrawal };
  await subscriptions(open);
  await logIn(own, trader);
  await logIn(others, counterparty);
  for (const carrier of CARRIERS) await new Trading(exchange, carrier).run();
  await candlesOfATime(exchange);
  await transfers(exchange);
  await cancelledAll(exchange, given.cancelAll);
  assert.deepEqual(open.left("trade"), []);
  for (const stream of streams) stream.close();
}

/** Writes a line of the transcript. */
function tell(call, request, reply) {
  process.stdout.write(`${JSON.stringify({ call, request, reply })}\n`);
}

const [baseUrl, streamUrl] = process.argv.slice(2);
await run(baseUrl, streamUrl, JSON.parse(await text(process.stdin)));
