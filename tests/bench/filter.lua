-- What Envoy's Lua filter can do of the same work: a SAS token that is signed and kept, an id, broker
-- properties in JSON, 202 after the 201. Lua has neither HMAC nor good random bytes here: SHA-256 is
-- written out below, and ids come from a generator that can be guessed.

local KEY = "c2VjcmV0LWtleQ=="
local ENTITY = "https%3A%2F%2Fsbemulatorns.servicebus.windows.net%2Fraw"
local LIFE = 3600

local band, bor, bxor = bit.band, bit.bor, bit.bxor
local ror, rshift, lshift, bnot, tobit = bit.ror, bit.rshift, bit.lshift, bit.bnot, bit.tobit

-- Fractions of the square and cube roots of the first primes (FIPS 180-4).
local function fraction(x)
  return tobit(math.floor((x - math.floor(x)) * 2 ^ 32))
end

local START, ROUND = {}, {}
do
  local number = 2
  while #ROUND < 64 do
    local prime = true
    for divisor = 2, math.floor(math.sqrt(number)) do
      if number % divisor == 0 then prime = false break end
    end
    if prime then
      if #START < 8 then START[#START + 1] = fraction(math.sqrt(number)) end
      ROUND[#ROUND + 1] = fraction(number ^ (1 / 3))
    end
    number = number + 1
  end
end

local function word(text, at)
  local a, b, c, d = text:byte(at, at + 3)
  return bor(lshift(a, 24), lshift(b, 16), lshift(c, 8), d)
end

local function bytes(value)
  return string.char(
    band(rshift(value, 24), 255), band(rshift(value, 16), 255), band(rshift(value, 8), 255), band(value, 255)
  )
end

local function sha256(text)
  local bits = #text * 8
  text = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. "\0\0\0\0" .. bytes(bits)
  local state = { unpack(START) }
  local w = {}
  for block = 1, #text, 64 do
    for i = 1, 16 do w[i] = word(text, block + (i - 1) * 4) end
    for i = 17, 64 do
      local x, y = w[i - 15], w[i - 2]
      local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
      local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
      w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
    end
    local a, b, c, d, e, f, g, h = unpack(state)
    for i = 1, 64 do
      local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
      local t1 = tobit(h + s1 + bxor(band(e, f), band(bnot(e), g)) + ROUND[i] + w[i])
      local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
      local t2 = tobit(s0 + bxor(band(a, b), band(a, c), band(b, c)))
      h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
    end
    local out = { a, b, c, d, e, f, g, h }
    for i = 1, 8 do state[i] = tobit(state[i] + out[i]) end
  end
  local parts = {}
  for i = 1, 8 do parts[i] = bytes(state[i]) end
  return table.concat(parts)
end

local function hmac(key, text)
  key = key .. ("\0"):rep(64 - #key)
  local function pad(with)
    return (key:gsub(".", function(c) return string.char(bxor(c:byte(), with)) end))
  end
  return sha256(pad(0x5c) .. sha256(pad(0x36) .. text))
end

local token, renewed_at

local function current_token(request)
  local now = os.time()
  if token and now < renewed_at then return token end
  local expiry = now + LIFE
  local signature = request:base64Escape(hmac(KEY, ENTITY .. "\n" .. expiry))
  signature = signature:gsub("[+/=]", { ["+"] = "%2B", ["/"] = "%2F", ["="] = "%3D" })
  token = "SharedAccessSignature sr=" .. ENTITY .. "&sig=" .. signature .. "&se=" .. expiry .. "&skn=send-only"
  renewed_at = now + LIFE * 4 / 5
  return token
end

local function new_id()
  local random = math.random
  return string.format(
    "%04x%04x-%04x-4%03x-%04x-%04x%04x%04x",
    random(0, 65535), random(0, 65535), random(0, 65535), random(0, 4095), random(32768, 49151),
    random(0, 65535), random(0, 65535), random(0, 65535)
  )
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\" }

function envoy_on_request(request)
  local headers = request:headers()
  -- What waits for the body ends the life of this object.
  local id, content_type = headers:get("idempotency-key"), headers:get("content-type")
  if id then
    if #id < 1 or #id > 128 or id:find("[^\32-\126]") then
      request:respond({ [":status"] = "400" }, "")
      return
    end
    id = id:gsub('["\\]', ESCAPES)
  else
    id = new_id()
  end
  local body = request:body()
  local payload = body and body:getBytes(0, body:length()) or ""
  local response = request:httpCall("servicebus", {
    [":method"] = "POST",
    [":path"] = "/raw/messages",
    [":authority"] = "sbemulatorns.servicebus.windows.net",
    [":scheme"] = "https",
    ["authorization"] = current_token(request),
    ["content-type"] = content_type,
    ["brokerproperties"] = '{"MessageId":"' .. id .. '"}',
  }, payload, 5000)
  if response[":status"] == "201" then
    request:respond(
      { [":status"] = "202", ["content-type"] = "application/json", ["x-tracking-id"] = id },
      '{"status":"accepted","trackingId":"' .. id .. '"}'
    )
  else
    request:respond({ [":status"] = "503" }, "")
  end
end
