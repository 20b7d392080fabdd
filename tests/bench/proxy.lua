-- SPDX-License-Identifier: MIT
-- wrk connects to a proxy and asks it for the URL given after "--", in absolute form.

local head

function init(args)
    local host = args[1]:match("^http://([^/]+)")
    wrk.headers["Host"] = host
    head = wrk.format("GET", args[1])
end

function request()
    return head
end
