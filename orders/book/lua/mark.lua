-- Moves a consumer's mark on one account forward, never back. KEYS: marks. ARGV: consumer, version, [the mark it must follow].
-- Returns 1 if it moved. Versions are compared as strings of digits, longer is greater.
local old, new = redis.call('HGET', KEYS[1], ARGV[1]) or '0', ARGV[2]
if (ARGV[3] and old ~= ARGV[3]) or #new < #old or (#new == #old and new <= old) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], new)
return 1
