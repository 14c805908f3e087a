-- Writes one quote, stamped with this instance's TIME in ms, and tells it to whoever listens.
-- KEYS: the market hash. ARGV: symbol, bid, ask, feed, sequence, channel.
-- Returns 1 if written, 0 if this feed's sequence has not risen: a repeated or late tick, nothing was done.
-- Each feed's highest sequence has a field of its own, so that a feed that was away for a while can't bring back old ticks.
-- Sequences are compared as strings of digits, longer is greater.
local seen, new = redis.call('HGET', KEYS[1], 'sequence:' .. ARGV[4]) or '', ARGV[5]
if #new < #seen or (#new == #seen and new <= seen) then return 0 end
local time = redis.call('TIME')
local stamp = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'bid', ARGV[2], 'ask', ARGV[3], 'stamp', stamp,
  'sequence', new, 'feed', ARGV[4], 'sequence:' .. ARGV[4], new)
redis.call('PUBLISH', ARGV[6], table.concat({ ARGV[1], ARGV[2], ARGV[3], stamp, new }, '|'))
return 1
