"""The one script that writes the journal, in Redis, all or nothing."""

PUT = """
local function position(created_at) return string.format('%016d', created_at) .. ARGV[5]:sub(17) end
local standing, replaced = redis.call('MGET', KEYS[1])[1], nil
if standing then
  local readable, record = pcall(cjson.decode, standing)
  if not readable or type(record) ~= 'table' then return standing end
  if record.id == ARGV[2] then
    local follows = false
    for i = 6, #ARGV do follows = follows or record.state == ARGV[i] end
    if not follows then return standing end
  else
    local why = type(record.rejection) == 'table' and record.rejection.code
    local withdrawn = record.state == 'NOT_SENT' and why == 'JOURNAL_UNAVAILABLE'
    if ARGV[4] ~= 'begin' or not withdrawn then return standing end
    replaced = position(record.created_at)
  end
end

for i, key in ipairs(KEYS) do
  if i ~= 2 and i ~= 3 then
    local value = i == 1 and ARGV[1] or KEYS[1]
    if ARGV[3] == '0' then redis.call('SET', key, value)
    else redis.call('SET', key, value, 'PX', ARGV[3]) end
  end
end

local index, expiries, time = KEYS[2], KEYS[3], redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = redis.pcall('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 16)
if replaced then gone[#gone + 1] = replaced end
for _, member in ipairs(gone) do
  redis.pcall('ZREM', index, member)
  redis.pcall('ZREM', expiries, member)
end
redis.pcall('ZADD', index, 0, ARGV[5])
if ARGV[3] ~= '0' then redis.pcall('ZADD', expiries, now + ARGV[3], ARGV[5]) end

local last = redis.pcall('ZREVRANGE', expiries, 0, 0, 'WITHSCORES')[2]
local all_expire = redis.pcall('ZCARD', index) == redis.pcall('ZCARD', expiries)
for _, key in ipairs({index, expiries}) do
  if last and all_expire then redis.pcall('PEXPIREAT', key, last)
  else redis.pcall('PERSIST', key) end
end
return false
"""
"""Write a record, the pointers to it, and its place in the index. Running it twice is as once.

KEYS: the record, the index, the expiries, then the pointers. ARGV: the record, the placement's id,
ms to keep it (0: for ever), 'begin' for an intent, its position, and the states that it may
follow. Answers with the record that stands in the way, or nothing.

A withdrawn intent was never sent and its caller was told to repeat it: a new one takes its place.
MGET instead of GET: a key of a foreign type is no record, and must not block the spool; neither
must one in the place of an index, hence pcall there.

The index has the position of each placement (journal_index.py), the expiries the time at which
its record goes. What has gone is taken out by those that come, a few at a time; when everything
is going to go, so do index and expiries, together with the last record.
"""
