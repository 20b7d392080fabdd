for_status() { curl -sS -o "$HOME/answer" -w '%{http_code}\n' "$@" && cat "$HOME/answer" && echo; }

for_status https://api.example.com/data
for_status https://api.example.com/submit \
    -H 'Content-Type: application/json' -d '{"name": "hark", "note": "gr\u00fc\u00dfe"}'
