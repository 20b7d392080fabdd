-- SPDX-License-Identifier: MIT
-- wrk asks a proxy for URL?n=1 to URL?n=COUNT, in no order: wrk … -s playback.lua PROXY -- URL COUNT
local url, count

function init(arguments)
    url, count = arguments[1], tonumber(arguments[2])
    math.randomseed(os.time())
end

function request()
    local host = url:match("^http://([^/]+)")
    return "GET " .. url .. "?n=" .. math.random(count) .. " HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n"
end
