-- ARGV: whether to be told of its end
-- -> {0} nothing to wait for, {1, time left} in progress, {2, execution} outcome unknown
local record = redis.call('GETRANGE', KEYS[1], 0, 72)
local found = state(record)
if found < 0 then return {found} end
if found ~= 1 then return {0} end
local left = left(record)
if not left then return {-2} end
if left > 0 then
  if ARGV[1] == '1' and string.byte(record, 4) == 0 then
    redis.call('SETRANGE', KEYS[1], 3, '\1')
  end
  return {1, left}
end
if string.byte(record, 3) == 1 then
  local execution = struct.unpack('>I4', record, 54)
  return {2, execution}
end
return {0}
