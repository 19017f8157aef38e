-- ARGV: token, lease
local record = redis.call('GETRANGE', KEYS[1], 0, 72)
local found = state(record)
if found < 0 then return {found} end
if found == 0 or string.sub(record, 38, 53) ~= ARGV[1] then return {3} end
if found == 2 then return {2} end
local function value(ends)
  return string.sub(record, 1, 57) .. struct.pack('>I8', ends) .. string.sub(record, 66)
end
if string.byte(record, 3) == 1 then
  redis.call('SET', KEYS[1], value(now() + ARGV[2]))
else
  local retention = struct.unpack('>I8', record, 66)
  local ttl = math.max(math.ceil((ARGV[2] + retention) / 1000), 1)
  redis.call('SET', KEYS[1], value(0), 'PX', ttl)
end
return {1}
