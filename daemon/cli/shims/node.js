// SPDX-License-Identifier: MIT
// Made by hark: lets Node.js without NODE_USE_ENV_PROXY (before 22.21, and 23.0 to 24.4) use the
// proxy that http_proxy, https_proxy and no_proxy name.
//
// Loaded by --require in NODE_OPTIONS before the program. Connections that an http.Agent or
// https.Agent makes go through a CONNECT tunnel, and so do those of fetch and of the package
// undici, so what a program sends is exactly what it would have sent without a proxy. Agents with
// a createConnection of their own, and Unix sockets, are left as they are.
'use strict';

const DISPATCHER = Symbol.for('undici.globalDispatcher.1');

function hasOwnProxySupport() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);
}

function fromEnvironment(name) {
  return process.env[name] || process.env[name.toUpperCase()] || '';
}

function parseProxy(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'http:' ? url : null;
  } catch {
    return null;
  }
}

function bare(host) {
  return host.toLowerCase().replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

// Does no_proxy name the host? "example.com" and ".example.com" stand for what is below, too.
function isExcepted(host, port) {
  return fromEnvironment('no_proxy').split(/[\s,]+/).some((item) => {
    const [, name, itemPort] = /^(.*?)(?::(\d+))?$/.exec(item.split(':').length > 2 ? bare(item) : item);
    if (name === '*') return true;
    if (name === '' || (itemPort && itemPort !== String(port))) return false;
    const suffix = bare(name).replace(/^\*?\./, '');
    return host === suffix || host.endsWith(`.${suffix}`);
  });
}

// The proxy for a connection, or null for none.
function proxyFor(scheme, hostname, port) {
  const proxy = parseProxy(fromEnvironment(`${scheme}_proxy`));
  const host = bare(hostname);
  if (!proxy || isExcepted(host, port)) return null;
  const isProxyItself = host === bare(proxy.hostname) && String(port) === (proxy.port || '80');
  return isProxyItself ? null : proxy;
}

function connectHead(proxy, hostname, port) {
  const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
  const user = decodeURIComponent(proxy.username);
  const login = Buffer.from(`${user}:${decodeURIComponent(proxy.password)}`).toString('base64');
  return `CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n` +
    (user ? `Proxy-Authorization: Basic ${login}\r\n` : '') + '\r\n';
}

// Calls done(error) or done(null, socket) with a socket behind which the target is.
function openTunnel(proxy, hostname, port, done) {
  const socket = require('net').connect(Number(proxy.port || 80), bare(proxy.hostname));
  let head = Buffer.alloc(0);

  // Reading by 'readable' leaves no trace in the socket's state, once its listener is gone and the
  // events of this turn are over.
  let isFinished = false;
  let failure = null;
  function finish(error) {
    failure = failure || error;
    if (isFinished) return;
    isFinished = true;
    socket.removeListener('readable', onReadable);
    socket.removeListener('close', onClose);
    setImmediate(() => {
      socket.removeListener('error', finish);
      if (failure) socket.destroy();
      done(failure, socket);
    });
  }

  function onClose() {
    finish(Object.assign(new Error('the proxy closed the connection'), { code: 'ECONNRESET' }));
  }

  function onReadable() {
    const data = socket.read();
    if (data === null) return;
    head = Buffer.concat([head, data]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const line = head.toString('latin1', 0, head.indexOf('\r\n'));
    const isOpen = /^HTTP\/1\.\d 2\d\d/.test(line);
    if (isOpen && head.length > end + 4) socket.unshift(head.subarray(end + 4));
    finish(isOpen ? null : Object.assign(new Error(`the proxy answered CONNECT with ${line}`),
      { code: 'ECONNREFUSED' }));
  }

  socket.setNoDelay(true);
  socket.on('readable', onReadable);
  socket.on('error', finish);
  socket.on('close', onClose);
  socket.write(connectHead(proxy, hostname, port), 'latin1');
}

// --- http and https ------------------------------------------------------------------------------

function patchAgent(prototype, scheme, defaultPort, useTunnel) {
  const direct = prototype.createConnection;
  prototype.createConnection = function createConnection(...args) {
    const [options, callback] = args;
    const isToHost = typeof callback === 'function' && options?.host && !options.path &&
      !options.socket;
    const port = isToHost && (options.port || defaultPort);
    const proxy = isToHost && proxyFor(scheme, options.host, port);
    if (!proxy) return direct.apply(this, args);
    openTunnel(proxy, options.host, port, (error, socket) => {
      if (error) callback(error);
      else useTunnel(this, direct, options, socket, callback);
    });
    return undefined;
  };
}

function patchAgents() {
  patchAgent(require('http').Agent.prototype, 'http', 80, (agent, direct, options, socket, callback) => {
    callback(null, socket);
  });
  patchAgent(require('https').Agent.prototype, 'https', 443, (agent, direct, options, socket, callback) => {
    callback(null, direct.call(agent, { ...options, socket }));
  });
}

// --- fetch and undici ----------------------------------------------------------------------------

// What undici calls to make a connection.
function connectForUndici(options, callback) {
  const { hostname, host, protocol, servername } = options;
  const isTls = protocol === 'https:';
  const port = Number(options.port) || (isTls ? 443 : 80);
  const name = hostname || host;
  const proxy = proxyFor(isTls ? 'https' : 'http', name, port);

  function secure(socket) {
    if (!isTls) {
      callback(null, socket);
      return;
    }
    const where = socket ? { socket } : { host: bare(name), port };
    const isAddress = require('net').isIP(bare(name)) !== 0;
    const secured = require('tls').connect({
      ...where, ALPNProtocols: ['http/1.1'],
      servername: servername || (isAddress ? '' : name),
    });
    whenReady(secured, 'secureConnect', callback);
  }

  if (proxy) {
    openTunnel(proxy, name, port, (error, socket) => (error ? callback(error) : secure(socket)));
  } else if (isTls) {
    secure(null);
  } else {
    const socket = require('net').connect(port, bare(name));
    socket.setNoDelay(true);
    whenReady(socket, 'connect', callback);
  }
}

function whenReady(socket, event, callback) {
  function onError(error) {
    socket.removeListener(event, onReady);
    callback(error);
  }
  function onReady() {
    socket.removeListener('error', onError);
    callback(null, socket);
  }
  socket.once(event, onReady).once('error', onError);
}

let ours = null;

// A plain Agent, not one that the program has set.
function isDefault(dispatcher) {
  return dispatcher?.constructor?.name === 'Agent' && dispatcher !== ours;
}

function replaceDispatcher(Agent) {
  ours = new Agent({ connect: connectForUndici });
  Object.defineProperty(globalThis, DISPATCHER, {
    value: ours, writable: true, enumerable: false, configurable: false,
  });
}

// Node loads its own undici when fetch or one of its classes is first used, and only then is there
// a dispatcher to replace; to load it at once would cost every program 20 ms.
function patchFetch() {
  const original = globalThis.fetch;
  if (typeof original !== 'function') return;
  let isFirst = true;
  const fetch = function fetch(input, init = undefined) {
    if (isFirst) {
      isFirst = false;
      void new globalThis.Headers();
      const dispatcher = globalThis[DISPATCHER];
      if (isDefault(dispatcher)) replaceDispatcher(dispatcher.constructor);
    }
    return original(input, init);
  };
  Object.defineProperty(globalThis, 'fetch', {
    value: fetch, writable: true, enumerable: true, configurable: true,
  });
}

// The package undici sets a dispatcher when it is loaded, for itself and for fetch.
function patchPackage() {
  const Module = require('module');
  const load = Module._load;
  Module._load = function _load(request, ...rest) {
    const before = globalThis[DISPATCHER];
    const exports = load.call(this, request, ...rest);
    const after = globalThis[DISPATCHER];
    if (after !== before && isDefault(after)) replaceDispatcher(after.constructor);
    return exports;
  };
}

if (!hasOwnProxySupport() && (parseProxy(fromEnvironment('http_proxy')) ||
    parseProxy(fromEnvironment('https_proxy')))) {
  patchAgents();
  patchFetch();
  patchPackage();
}
