-- journal.external
-- Note that an order is nobody's of this gateway.
-- KEYS: the pointer from the order, the leader. ARGV: the leader's owner and epoch, ms to
-- keep it.
-- Answers with 1, with 0 for an order that a placement has made, or with nothing when another leads.
local owner, epoch = unpack(redis.call('HMGET', KEYS[2], 'owner', 'epoch'))
if owner ~= ARGV[1] or epoch ~= ARGV[2] then return false end
if redis.call('SET', KEYS[1], 'EXTERNAL', 'NX', 'PX', ARGV[3]) then return 1 end
return redis.call('GET', KEYS[1]) == 'EXTERNAL' and 1 or 0
