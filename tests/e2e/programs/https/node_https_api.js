const https = require('https');

function ask(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers }, (response) => {
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
  await ask('GET', 'https://api.example.com/data', {});
  const payload = JSON.stringify({ name: 'hark', note: 'grüße' });
  await ask('POST', 'https://api.example.com/submit', {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(payload),
  }, payload);
}

main();
