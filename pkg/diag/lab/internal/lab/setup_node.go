package lab

// Servers of node. Their packages are those of SSECTL_LAB_NODE, a folder in
// which npm installed them.

// nodeUpstream passes the request to the publisher.
const nodeUpstream = `const http = require('http')
function upstream(req, answered) {
  const up = http.request('http://$UPSTREAM' + req.url, {method: req.method, headers: {...req.headers, 'accept-encoding': 'identity'}}, answered)
  up.on('error', () => {})
  up.end()
  return up
}
`

// express is a proxy in Express, with compression before it.
func express(flush string) string {
	return nodeUpstream + `const express = require('express'), compression = require('compression')
const app = express()
app.use(compression())
app.use((req, res) => {
  const up = upstream(req, r => {
    res.writeHead(r.statusCode, r.headers); res.flushHeaders()
    r.on('data', d => { res.write(d); ` + flush + ` }); r.on('end', () => res.end())
  })
  res.on('close', () => up.destroy())
})
app.listen($PORT, '127.0.0.1')
`
}

func httpProxyMiddleware(before string) string {
	return `const express = require('express'), {createProxyMiddleware} = require('http-proxy-middleware')
const app = express()
` + before + `
app.use(createProxyMiddleware({target: 'http://$UPSTREAM'}))
app.listen($PORT, '127.0.0.1')
`
}

func koa(use string) string {
	return nodeUpstream + `const Koa = require('koa'), app = new Koa()
` + use + `
app.use(ctx => new Promise(resolve => {
  const up = upstream(ctx.req, r => { ctx.status = r.statusCode; ctx.set('Cache-Control', r.headers['cache-control'] || ''); ctx.type = 'text/event-stream'; ctx.body = r; resolve() })
  ctx.res.on('close', () => up.destroy())
}))
app.listen($PORT, '127.0.0.1')
`
}

func fastify(register string) string {
	return nodeUpstream + `const app = require('fastify')()
` + register + `
app.after(() => app.get('/events', (request, reply) => {
  const up = upstream(request.raw, r => {
    reply.code(r.statusCode).header('Content-Type', 'text/event-stream').header('Cache-Control', r.headers['cache-control'] || '').send(r)
  })
  reply.raw.on('close', () => up.destroy())
}))
app.listen({port: $PORT, host: '127.0.0.1'})
`
}

const hono = `const {Hono} = require('hono'), {serve} = require('@hono/node-server'), {compress} = require('hono/compress'), {streamSSE} = require('hono/streaming')
const app = new Hono()
app.use(compress())
app.get('/events', async c => {
  const r = await fetch('http://$UPSTREAM/events', {headers: c.req.header(), signal: c.req.raw.signal})
  return new Response(r.body, {status: r.status, headers: {'Content-Type': 'text/event-stream', 'Cache-Control': r.headers.get('cache-control') || ''}})
})
serve({fetch: app.fetch, port: $PORT, hostname: '127.0.0.1'})
`

const nodeHTTP2 = nodeUpstream + `const fs = require('fs')
require('http2').createSecureServer({key: fs.readFileSync('$DIR/key.pem'), cert: fs.readFileSync('$DIR/cert.pem'), allowHTTP1: true}, (req, res) => {
  const headers = Object.fromEntries(Object.entries(req.headers).filter(([name]) => name[0] != ':'))
  const up = upstream({method: req.method, url: req.url, headers}, r => {
    res.writeHead(r.statusCode, {'content-type': 'text/event-stream', 'cache-control': r.headers['cache-control'] || ''})
    if (res.flushHeaders) res.flushHeaders()
    r.pipe(res)
  })
  res.on('close', () => up.destroy())
}).listen($PORT, '127.0.0.1')
`

var nodeSetups = []Setup{
	{Name: "Express, compression", Program: "node", Config: express(""), Needs: []string{"compression", "express"}},
	{Name: "Express, compression, no-transform", Program: "node", Config: express(""), Needs: []string{"compression", "express"}, Header: noTransform()},

	{Name: "Express, compression, res.flush()", Unseen: true, Program: "node", Config: express("res.flush()"), Needs: []string{"compression", "express"}},
	{Name: "http-proxy-middleware", Unseen: true, Program: "node", Config: httpProxyMiddleware(""), Needs: []string{"http-proxy-middleware", "express"}},
	{Name: "http-proxy-middleware, compression", Unseen: true, Program: "node", Config: httpProxyMiddleware("app.use(require('compression')())"), Needs: []string{"http-proxy-middleware", "express", "compression"}},
	{Name: "http-proxy", Unseen: true, Program: "node", Needs: []string{"http-proxy"},
		Config: "require('http-proxy').createProxyServer({target: 'http://$UPSTREAM'}).on('error', () => {}).listen($PORT, '127.0.0.1')\n"},
	{Name: "Koa", Unseen: true, Program: "node", Config: koa(""), Needs: []string{"koa"}},
	{Name: "Koa, koa-compress", Unseen: true, Program: "node", Config: koa("app.use(require('koa-compress')())"), Needs: []string{"koa", "koa-compress"}},
	{Name: "Fastify", Unseen: true, Program: "node", Config: fastify(""), Needs: []string{"fastify"}},
	{Name: "Fastify, @fastify/compress", Unseen: true, Program: "node", Config: fastify("app.register(require('@fastify/compress'), {threshold: 0})"), Needs: []string{"fastify", "@fastify/compress"}},
	{Name: "Hono, compress", Unseen: true, Program: "node", Config: hono, Needs: []string{"hono", "@hono/node-server"}},
	{Name: "node, HTTP/2", Unseen: true, Program: "node", TLS: true, Config: nodeHTTP2},
}
