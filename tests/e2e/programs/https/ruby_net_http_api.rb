require 'json'
require 'net/http'

response = Net::HTTP.get_response(URI('https://api.example.com/data'))
puts response.code
puts response.body

payload = { name: 'hark', note: 'grüße' }
response = Net::HTTP.post(URI('https://api.example.com/submit'), payload.to_json,
                          'Content-Type' => 'application/json')
puts response.code
puts response.body
