// What must follow from trades: rows of fills, balances and statistics.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

import { decimal, sum, times } from "./decimals.mjs";
import { Digits } from "./shapes.mjs";

const [BUY, SELL] = ["0", "1"].map(decimal);
const LIMIT = decimal("0");
const PERCENT = decimal("0.01");

/**
 * All trades since the exchange started; in each, an order of the trader took, and a limit order
 * of the counterparty had rested. A commission is percent of what is received: the sample of
 * "Get User Trades" has 0.02352 for 0.0012 sold at 9800.
 */
export class Accounting {
  #base;
  #quote;
  #symbol;
  #taker;
  #maker;
  #trades = [];

  /** `info` is that of "Get Symbol Detailed Info". */
  constructor(info) {
    [this.#base, this.#quote, this.#symbol] = [info.firstSymbol, info.secondSymbol, info.symbol];
    this.#taker = times(decimal(info.commissionTaker.text), PERCENT);
    this.#maker = times(decimal(info.commissionMaker.text), PERCENT);
  }

  /** Takes account of a trade; the side and the type are those of the trader's order. */
  add(price, amount, side, type) {
    const trade = { price: decimal(price), amount: decimal(amount) };
    const total = times(trade.price, trade.amount);
    this.#trades.push({ ...trade, total, side: decimal(side), type: decimal(type) });
  }

  /** Holds the rows of "Get User Trades" of trader and counterparty against the trades. */
  checkFills(taken, made) {
    const own = this.#trades.map((trade) => this.#row(trade, trade.side, this.#taker));
    checkRows(taken, own);
    const others = this.#trades.map((trade) =>
      this.#row({ ...trade, type: LIMIT }, trade.side === BUY ? SELL : BUY, this.#maker),
    );
    checkRows(made, others);
  }

  #row({ price, amount, total, type }, side, rate) {
    const buys = side === BUY;
    return {
      symbol: this.#symbol,
      price,
      amount,
      side,
      orderType: type,
      commission: times(buys ? amount : total, rate),
      commissionSymbol: buys ? this.#base : this.#quote,
    };
  }

  /** By how much the trades changed the trader's balance of an asset. */
  moved(asset) {
    const paid = (received) => received - times(received, this.#taker);
    const changes = {
      [this.#base]: ({ side, amount }) => (side === BUY ? paid(amount) : -amount),
      [this.#quote]: ({ side, total }) => (side === BUY ? -total : paid(total)),
    };
    return sum(this.#trades.map(changes[asset]));
  }

  /** Holds "Get Symbol 24h Statistics" against the trades; its average has no definition. */
  checkStatistics(day) {
    const due = {
      tradeCount: decimal(String(this.#trades.length)),
      volumeQty: sum(this.#trades.map(({ amount }) => amount)),
      volume: sum(this.#trades.map(({ total }) => total)),
    };
    if (this.#trades.length) {
      const { open, high, low, close } = this.#prices();
      Object.assign(due, { open, high, low, last: close, changeAmount: close - open });
    }
    const seen = values(day);
    for (const [name, value] of Object.entries(due)) assert.equal(seen[name], value, name);
    assert(seen.low <= seen.avg && seen.avg <= seen.high);
  }

  /** Holds all candles of an interval ("Get Symbol Candlestick Data") against the trades. */
  checkCandles(candles) {
    const rows = candles.map(values).sort((a, b) => (a.openTime < b.openTime ? -1 : 1));
    const seen = {
      open: rows.at(0)?.open,
      high: greatest(rows.map(({ high }) => high)),
      low: least(rows.map(({ low }) => low)),
      close: rows.at(-1)?.close,
      volume: sum(rows.map(({ volume }) => volume)),
    };
    const volume = sum(this.#trades.map(({ amount }) => amount));
    assert.deepEqual(seen, { ...this.#prices(), volume });
  }

  #prices() {
    const prices = this.#trades.map(({ price }) => price);
    const [open, close] = [prices.at(0), prices.at(-1)];
    return { open, high: greatest(prices), low: least(prices), close };
  }
}

/** What rows of "Get User Active Orders" reserve: buys the quote asset, sells the base. */
export function reserved(rows) {
  const orders = rows.map(values);
  const left = ({ amount, filledAmount }) => amount - filledAmount;
  const of = (side) => orders.filter((order) => order.side === side);
  return {
    quote: sum(of(BUY).map((order) => times(left(order), order.price))),
    base: sum(of(SELL).map(left)),
  };
}

/** Compares rows, but for their times; the document names no order. */
function checkRows(rows, due) {
  const left = rows.map(values);
  for (const row of left) delete row.time;
  for (const row of due) {
    const index = left.findIndex((each) => isDeepStrictEqual(each, row));
    assert(index >= 0, `no fill ${Object.entries(row)} in ${left.map(Object.entries).join("; ")}`);
    left.splice(index, 1);
  }
  assert.deepEqual(left, []);
}

/** An object with the values of its numbers. */
function values(row) {
  const value = (member) => (member instanceof Digits ? decimal(member.text) : member);
  return Object.fromEntries(Object.entries(row).map(([name, member]) => [name, value(member)]));
}

const greatest = (numbers) => numbers.reduce((a, b) => (a > b ? a : b));
const least = (numbers) => numbers.reduce((a, b) => (a < b ? a : b));
