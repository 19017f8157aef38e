-- What is left of begin.lua once the key is not free.
local head = ARGV[1]
local found = state(record)

local function claim(head)
  if ARGV[4] then
    redis.call('SET', KEYS[1], head .. struct.pack('>I8', 0) .. ARGV[3], 'PX', ARGV[4])
  else
    redis.call('SET', KEYS[1], head .. struct.pack('>I8', now() + ARGV[2]) .. ARGV[3])
  end
end

-- There is something, and be it empty.
if found == 0 then return {-2} end
if found < 0 then return {found} end
if string.sub(record, 5, 37) ~= string.sub(head, 5, 37) then
  if string.byte(record, 5) ~= string.byte(head, 5) then return {-3} end
  return {3}
end
if found == 2 then return {2, redis.call('PTTL', KEYS[1]), string.sub(record, 74)} end

-- Who waits goes on waiting.
head = string.sub(head, 1, 3) .. string.sub(record, 4, 4) .. string.sub(head, 5, 53)
local execution = struct.unpack('>I4', record, 54)
if string.sub(record, 38, 53) == string.sub(head, 38, 53) then
  claim(head .. string.sub(record, 54, 57))
  return {1, execution}
end
local left = left(record)
if not left then return {-2} end
if left > 0 then return {4, left} end
if string.byte(record, 3) == 1 then return {5} end
if string.byte(head, 3) == 1 then
  -- From now on nothing but an adoption ends it; SET takes its time to live away.
  local ended = struct.pack('>I8', now())
  local value = string.sub(record, 1, 2) .. '\1' .. string.sub(record, 4, 57) .. ended
  redis.call('SET', KEYS[1], value .. string.sub(record, 66))
  return {5}
end
execution = math.min(execution + 1, 4294967295)
claim(head .. struct.pack('>I4', execution))
return {1, execution}
