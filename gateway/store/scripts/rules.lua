-- What keeps an order from beginning now; the scripts look, begin and guard start with this.
-- `terms` has server, generation and begun (what this process knows of the data set), volatile,
-- canonical, lane and immediate (of the order, where there is one).

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- {generation, begun}: how far the account's data set has come; zeros where nothing was begun.
local function standing_of(guard)
  local held = redis.call('HMGET', guard, 'generation', 'begun')
  return {tonumber(held[1] or 0), tonumber(held[2] or 0)}
end

local function is_older(guard, terms)
  local generation, begun = unpack(standing_of(guard))
  if generation == terms.generation then return begun < terms.begun end
  -- Only a person may end a generation: one that began by itself began on nothing.
  local reopened = redis.call('HEXISTS', guard, 'reopened') == 1
  return generation < terms.generation or terms.generation > 0 and not reopened
end

local function runs_on(server)
  local said = redis.pcall('INFO', 'server')
  return type(said) == 'string' and string.match(said, 'run_id:(%w+)') == server
end

-- Why records of the account may be missing, or nothing. What one process finds, all are told, for
-- an older data set looks like any other to one that began later.
local function loss(guard, terms)
  if terms.volatile then return nil end
  local quarantine, server = unpack(redis.call('HMGET', guard, 'quarantine', 'server'))
  if quarantine then return quarantine end
  local elsewhere = server and server ~= terms.server
  if not elsewhere and not is_older(guard, terms) then return nil end
  local why = elsewhere and 'SERVER' or 'OLDER'
  -- A process that has yet to notice a restart is behind, and has found nothing.
  local tell = not elsewhere or runs_on(terms.server)
  if tell then redis.pcall('HSET', guard, 'quarantine', why) end
  return why
end

-- Of several obstacles one that will not pass by itself, and of those an identical order.
local function obstacle(unresolved, terms)
  local worst, rank = nil, 0
  local entries = redis.call('HGETALL', unresolved)
  for i = 1, #entries, 2 do
    local each = cjson.decode(entries[i + 1])
    local settling = each.state == 'SENDING'
    local identical = each.canonical == terms.canonical
    local blocks = terms.immediate and each.lane == terms.lane and (each.immediate or not settling)
    local its_rank = (settling and 0 or 2) + (identical and 2 or 1)
    if (identical or blocks) and its_rank > rank then
      local rule = identical and 'DUPLICATE' or 'LANE'
      worst, rank = {rule, entries[i], entries[i + 1], now_ms()}, its_rank
    end
  end
  return worst
end

-- Nothing, {'QUARANTINED', why}, or {'DUPLICATE' or 'LANE', placement, its entry, now}.
local function hindrance(guard, unresolved, terms)
  local lost = loss(guard, terms)
  if lost then return {'QUARANTINED', lost} end
  return obstacle(unresolved, terms)
end
