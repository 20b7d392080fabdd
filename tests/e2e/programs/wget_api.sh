wget -q -S -O "$HOME/answer" http://api.example.com/data 2>&1 | sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p'
cat "$HOME/answer"
echo
wget -q -S -O "$HOME/answer" --header 'Content-Type: application/json' \
    --post-data '{"name": "hark", "note": "gr\u00fc\u00dfe"}' http://api.example.com/submit 2>&1 |
    sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p'
cat "$HOME/answer"
echo
