-- journal.change
-- Replace a record that still is the text it was, all or nothing. What may follow what, the caller
-- knows. Running it twice is as once.
--
-- KEYS: the record, the pointer from the placement's id, the principal's index, what is unresolved,
-- what has ended, what was given up, the guard, the events, the leader, the claimed fills, the
-- budget, the pointer from the order.
-- ARGV: the terms, the record as it was ('': none) and as it is to be, its entry among the
-- unresolved, its event ('': nobody is told), and the budget as it must stand and as it is to be.
-- The terms have: id, position, state, ended (whether it has), lease_until (if that must have passed),
-- owner and epoch (of the leader, if it must still lead), fills (to claim), order ('own': the
-- exchange told the sender; 'found': it was looked for), claims, keep_budget_ms, keep_events,
-- late_watch_ms and keep_fills_ms.
--
-- Answers with {'CHANGED'}, {'TAKEN'} (changed, but the order is another's), {'STANDS', record},
-- {'ALIVE'}, {'FENCED'}, {'CLAIMED'} or {'BUDGET', what stands}.
local terms = cjson.decode(ARGV[1])
local record, id, index, unresolved, ended, given_up, guard, events, leader, fills, budget, order =
  unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local standing = redis.call('MGET', record)[1] or ''
if standing == ARGV[3] then
  -- Written before, without an answer. Written again, it is waited for.
  redis.call('SET', record, ARGV[3])
  return {'CHANGED'}
end
if standing ~= ARGV[2] then return {'STANDS', standing} end
if terms.lease_until and now <= terms.lease_until then return {'ALIVE'} end
if terms.epoch then
  local owner, epoch = unpack(redis.call('HMGET', leader, 'owner', 'epoch'))
  if owner ~= terms.owner or tonumber(epoch) ~= terms.epoch then return {'FENCED'} end
end

local taken = false
if terms.order then
  local holder = redis.call('MGET', order)[1]
  taken = holder and holder ~= record and not (terms.order == 'own' and holder == 'EXTERNAL')
  if taken and terms.order == 'found' then return {'CLAIMED'} end
end
for _, name in ipairs(terms.fills) do
  if redis.call('ZSCORE', fills, name) then return {'CLAIMED'} end
end
if terms.claims then
  local held = redis.call('GET', budget) or ''
  if held ~= ARGV[6] then return {'BUDGET', held} end
end

for _, name in ipairs(terms.fills) do redis.call('ZADD', fills, now, name) end
if #terms.fills > 0 then
  redis.call('ZREMRANGEBYSCORE', fills, '-inf', now - terms.keep_fills_ms)
end
if terms.claims then
  if terms.keep_budget_ms == 0 then redis.call('SET', budget, ARGV[7])
  else redis.call('SET', budget, ARGV[7], 'PX', terms.keep_budget_ms) end
end
redis.call('SET', record, ARGV[3])
redis.call('SET', id, record)
if terms.order and not taken then redis.call('SET', order, record) end

-- No foreign key in the place of one of these may keep an outcome from being written.
if ARGV[4] == '' then redis.pcall('HDEL', unresolved, terms.id)
else redis.pcall('HSET', unresolved, terms.id, ARGV[4]) end
if terms.ended then redis.pcall('ZADD', ended, now, record)
else redis.pcall('ZREM', ended, record) end
if terms.state == 'NOT_PLACED' then redis.pcall('ZADD', given_up, now, record)
else redis.pcall('ZREM', given_up, record) end
redis.pcall('ZREMRANGEBYSCORE', given_up, '-inf', now - terms.late_watch_ms)
redis.pcall('ZADD', index, 0, terms.position)
if ARGV[5] ~= '' then
  local sequence = redis.pcall('HINCRBY', guard, 'sequence', 1)
  if type(sequence) == 'number' then
    redis.pcall('XADD', events, 'MAXLEN', '~', terms.keep_events,
      string.format('%.0f-0', sequence), 'event', ARGV[5])
  end
end
return {taken and 'TAKEN' or 'CHANGED'}
