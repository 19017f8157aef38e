-- ARGV: token
local record = redis.call('GETRANGE', KEYS[1], 0, 72)
local found = state(record)
if found < 0 then return {found} end
if found == 0 then return {2} end
if found == 2 or string.sub(record, 38, 53) ~= ARGV[1] then return {3} end
redis.call('DEL', KEYS[1])
wake(record)
return {1}
