-- journal.begin
-- Record an intent, all or nothing, unless something stands in its way.
--
-- KEYS: the record, the pointer from the placement's id, the principal's index, what is unresolved,
-- what has ended, the guard, the events, the budget, the refusal.
-- ARGV: the terms, the record, its entry among the unresolved, its event, and, where it claims, the
-- budget as it must stand ('': none) and as it is to be. Texts have 0 for `begun_at` and
-- `lease_until`, which are set here.
-- The terms have, beside those of rules.lua: id, position, lease_ms, mark (of the lane, if it must
-- stand), asked_at and owner (if no refusal of others may have come since), keep_events, claims, and
-- keep_budget_ms (0: for ever).
--
-- Answers with {'BEGUN', now, the lease's end, {generation, begun}}, {'STANDS', record}, {'MOVED'},
-- {'REFUSED'}, {'BUDGET', what stands}, or a hindrance (rules.lua).
local terms = cjson.decode(ARGV[1])
local record, id, index, unresolved, ended, guard, events, budget, refusal = unpack(KEYS)
local now = now_ms()

-- A withdrawn intent was never sent, and its caller was told to repeat it: the new one replaces it.
-- MGET instead of GET: a key of a foreign type is no record.
local standing, replaced = redis.call('MGET', record)[1], nil
if standing then
  local readable, held = pcall(cjson.decode, standing)
  if not readable or type(held) ~= 'table' or held.id == terms.id then return {'STANDS', standing} end
  local why = type(held.rejection) == 'table' and held.rejection.code
  if held.state ~= 'NOT_SENT' or why ~= 'JOURNAL_UNAVAILABLE' then return {'STANDS', standing} end
  replaced = held
end

-- Somebody was told that nothing will stand under this id, of what was asked for until then.
local refused = terms.asked_at and redis.call('MGET', refusal)[1]
if refused then
  local at, by = string.match(refused, '^(%d+):(.*)$')
  if by ~= terms.owner and tonumber(at) >= terms.asked_at then return {'REFUSED'} end
end

local hindered = hindrance(guard, unresolved, terms)
if hindered then return hindered end
local lane = 'lane:' .. terms.lane
if terms.mark and terms.mark ~= tonumber(redis.call('HGET', guard, lane) or 0) then
  return {'MOVED'}
end
if terms.claims then
  local held = redis.call('GET', budget) or ''
  if held ~= ARGV[5] then return {'BUDGET', held} end
end

-- In JSON, these characters are the member and nothing else: within a text, quotes are escaped.
local function with_time(text, member, time)
  local wanted = string.format('"%s":%.0f%%1', member, time)
  return (string.gsub(text, '"' .. member .. '":0([,}])', wanted, 1))
end
local function timed(text)
  return with_time(with_time(text, 'begun_at', now), 'lease_until', now + terms.lease_ms)
end

-- What the rules rest on comes first: should any of it fail, no record of the intent stands.
redis.call('HSET', unresolved, terms.id, timed(ARGV[3]))
if terms.server then redis.call('HSETNX', guard, 'server', terms.server) end
-- By the clock, so that an account that begins once more does not take up what it lost.
redis.call('HSETNX', guard, 'generation', string.format('%.0f', now))
redis.call('HINCRBY', guard, 'begun', 1)
redis.call('HINCRBY', guard, lane, 1)
if terms.claims then
  if terms.keep_budget_ms == 0 then redis.call('SET', budget, ARGV[6])
  else redis.call('SET', budget, ARGV[6], 'PX', terms.keep_budget_ms) end
end
redis.call('SET', record, timed(ARGV[2]))
redis.call('SET', id, record)

-- What only shows the record keeps no order from going out.
if replaced then
  -- The ids of one account differ in their last 32 characters alone.
  redis.pcall('DEL', string.sub(id, 1, -33) .. string.sub(tostring(replaced.id), -32))
  redis.pcall('ZREM', ended, record)
  local created = string.format('%016d', replaced.created_at)
  redis.pcall('ZREM', index, created .. string.sub(terms.position, 17))
end
redis.pcall('ZADD', index, 0, terms.position)
local sequence = redis.call('HINCRBY', guard, 'sequence', 1)
redis.pcall('XADD', events, 'MAXLEN', '~', terms.keep_events, string.format('%.0f-0', sequence),
  'event', timed(ARGV[4]))
return {'BEGUN', now, now + terms.lease_ms, standing_of(guard)}
