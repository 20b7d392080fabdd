const http = require('http');

const proxy = new URL(process.env.http_proxy);

function ask(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: proxy.hostname, port: proxy.port, method, path: url, headers },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => { text += part; });
        response.on('end', () => {
          console.log(response.statusCode);
          console.log(text);
          resolve();
        });
      });
    request.on('error', reject);
    request.end(body);
  });
}

async function main() {
  await ask('GET', 'http://api.example.com/data', { Host: 'api.example.com' });
  const payload = JSON.stringify({ name: 'hark', note: 'grüße' });
  await ask('POST', 'http://api.example.com/submit', {
    Host: 'api.example.com',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(payload),
  }, payload);
}

main();
