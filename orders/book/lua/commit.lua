-- Applies one decision to one account, if the account has not moved since it was read.
--
-- KEYS: portfolio, journal, stored command, orders index, config, requests, transfers, holding...
-- ARGV: expected version ("0" = not in the book), new version, valid until (ms, "0" = always),
--       body hash, stored answer ("" = none), its life in seconds, predecessor's version, journal body,
--       then counted lists: portfolio set, portfolio removed, config set, requests set, requests removed,
--       transfers set, transfers removed; then for each holding: "N" (born) or "C" (changed),
--       "1" (live) or "0" (terminal), and its counted list of fields.
-- Returns {"DONE"} | {"REPLAY", stored} | {"MISMATCH"} | {"EXPIRED"} | {"CONFLICT"} | {"EXISTS", n} | {"MISSING", n}.
-- Invariant: anything but DONE wrote nothing; DONE wrote everything. A failed script keeps what it
-- wrote, so the journal entry is the first write and nothing after it can fail.

local stored = redis.call('GET', KEYS[3])
if stored then
  if string.sub(stored, 1, #ARGV[4]) == ARGV[4] then return {'REPLAY', stored} end
  return {'MISMATCH'}
end

if ARGV[3] ~= '0' then
  local now = redis.call('TIME')
  if tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) > tonumber(ARGV[3]) then return {'EXPIRED'} end
end

if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return {'CONFLICT'} end

local at = 9
local function list()
  local first = at + 1
  local last = at + tonumber(ARGV[at])
  at = last + 1
  return first, last
end
local lists = {}
for n = 1, 7 do lists[n] = {list()} end
local holdings = {}
for n = 8, #KEYS do
  local born, live = ARGV[at], ARGV[at + 1]
  at = at + 2
  local first, last = list()
  holdings[n] = {live, first, last}
  local exists = redis.call('EXISTS', KEYS[n])
  if born == 'N' and exists == 1 then return {'EXISTS', n - 7} end
  if born == 'C' and exists == 0 then return {'MISSING', n - 7} end
end

redis.call('XADD', KEYS[2], ARGV[2] .. '-0', 'prev', ARGV[7], 'body', ARGV[8])

local function write(command, key, first, last)
  for from = first, last, 1000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 999, last)))
  end
end
write('HSET', KEYS[1], lists[1][1], lists[1][2])
write('HDEL', KEYS[1], lists[2][1], lists[2][2])
write('HSET', KEYS[5], lists[3][1], lists[3][2])
write('HSET', KEYS[6], lists[4][1], lists[4][2])
write('HDEL', KEYS[6], lists[5][1], lists[5][2])
write('HSET', KEYS[7], lists[6][1], lists[6][2])
write('HDEL', KEYS[7], lists[7][1], lists[7][2])
for n, holding in pairs(holdings) do
  write('HSET', KEYS[n], holding[2], holding[3])
  local order_id = string.match(KEYS[n], '[^:]+$')
  if holding[1] == '1' then redis.call('SADD', KEYS[4], order_id) else redis.call('SREM', KEYS[4], order_id) end
end
if ARGV[5] ~= '' then redis.call('SET', KEYS[3], ARGV[5], 'EX', ARGV[6]) end
return {'DONE'}
