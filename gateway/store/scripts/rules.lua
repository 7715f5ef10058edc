-- What keeps an order from beginning now; the scripts look and begin start with this.
-- `terms` has server, generation and begun (what this process knows of the data set), volatile,
-- canonical, lane and immediate.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function loss(guard, terms)
  if terms.volatile then return nil end
  local held = redis.call('HMGET', guard, 'quarantine', 'server', 'generation', 'begun')
  if held[1] then return held[1] end
  if held[2] and held[2] ~= terms.server then return 'SERVER' end
  local generation, begun = tonumber(held[3] or 0), tonumber(held[4] or 0)
  local older = generation < terms.generation
  if older or generation == terms.generation and begun < terms.begun then return 'OLDER' end
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
