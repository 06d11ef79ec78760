package lab

// Frameworks of Python, as Debian has them.

const (
	python         = "/usr/bin/python3"
	pythonPackages = "/usr/lib/python3/dist-packages/"
)

// pythonUpstream passes the request to the publisher, and returns its body
// piece by piece.
const pythonUpstream = `import http.client
def upstream(headers):
    c = http.client.HTTPConnection('$UPSTREAM')
    sent = {k: v for k, v in headers.items() if k.lower() in ('last-event-id', 'x-lab-oracle')}
    c.request('GET', '/events', headers=sent)
    return c.getresponse()
def pieces(r):
    try:
        while True:
            b = r.read1(65536)
            if not b: return
            yield b
    finally:
        r.close()
H = {'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache'}
`

func flask(run string) string {
	return pythonUpstream + `from flask import Flask, Response, request
app = Flask(__name__)
@app.route('/events')
def events():
    r = upstream(request.headers)
    return Response(pieces(r), status=r.status, headers=H)
` + run
}

const flaskRun = "app.run(host='127.0.0.1', port=$PORT, threaded=True)\n"

func django(middleware string) string {
	return pythonUpstream + `import django
from django.conf import settings
from django.http import StreamingHttpResponse
from django.core.wsgi import get_wsgi_application
from django.urls import path
settings.configure(SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], MIDDLEWARE=[` + middleware + `])
def events(request):
    r = upstream(request.headers)
    return StreamingHttpResponse(pieces(r), status=r.status, headers=H)
urlpatterns = [path('events', events)]
app = get_wsgi_application()
`
}

func tornado(options string) string {
	return `import asyncio, tornado.web, tornado.httpclient
class Events(tornado.web.RequestHandler):
    async def get(self):
        self.set_header('Content-Type', 'text/event-stream')
        self.set_header('Cache-Control', 'no-cache')
        sent = {k: v for k, v in self.request.headers.get_all() if k.lower() in ('last-event-id', 'x-lab-oracle')}
        self.queue = asyncio.Queue()
        asyncio.ensure_future(self.ask(sent))
        await self.flush()
        while True:
            b = await self.queue.get()
            if b is None: return
            self.write(b)
            await self.flush()
    async def ask(self, sent):
        reader, writer = await asyncio.open_connection(*'$UPSTREAM'.split(':'))
        lines = ''.join(f'{k}: {v}\r\n' for k, v in sent.items())
        writer.write(f'GET /events HTTP/1.0\r\nHost: x\r\n{lines}\r\n'.encode())
        await reader.readuntil(b'\r\n\r\n')
        self.upstream = writer
        while b := await reader.read(65536): self.queue.put_nowait(b)
        self.queue.put_nowait(None)
    def on_connection_close(self):
        self.upstream.close()
async def main():
    tornado.web.Application([('/events', Events)]` + options + `).listen($PORT, '127.0.0.1')
    await asyncio.Event().wait()
asyncio.run(main())
`
}

// aiohttp has a line for the answer before it begins.
func aiohttp(line string) string {
	return `import aiohttp
from aiohttp import web
async def events(request):
    sent = {k: v for k, v in request.headers.items() if k.lower() in ('last-event-id', 'x-lab-oracle')}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as s, s.get('http://$UPSTREAM/events', headers=sent) as r:
        response = web.StreamResponse(status=r.status, headers={'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache'})
        ` + line + `
        await response.prepare(request)
        async for b in r.content.iter_any():
            await response.write(b)
        await response.write_eof()
        return response
app = web.Application()
app.router.add_get('/events', events)
web.run_app(app, host='127.0.0.1', port=$PORT, access_log=None)
`
}

func starlette(middleware string) string {
	return `import asyncio, uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
async def pieces(request):
    reader, writer = await asyncio.open_connection(*'$UPSTREAM'.split(':'))
    lines = ''.join(f'{k}: {v}\r\n' for k, v in request.headers.items() if k in ('last-event-id', 'x-lab-oracle'))
    writer.write(f'GET /events HTTP/1.0\r\nHost: x\r\n{lines}\r\n'.encode())
    try:
        await reader.readuntil(b'\r\n\r\n')
        while b := await reader.read(65536): yield b
    finally:
        writer.close()
async def events(request):
    return StreamingResponse(pieces(request), headers={'Cache-Control': 'no-cache'}, media_type='text/event-stream')
app = Starlette(routes=[Route('/events', events)])
` + middleware + `
uvicorn.run(app, host='127.0.0.1', port=$PORT, log_level='error')
`
}

// gunicorn is started with words before those that all have.
func gunicorn(words ...string) []string {
	return append([]string{"gunicorn", "--bind", "127.0.0.1:$PORT", "--chdir", "$DIR", "--graceful-timeout", "0", "app:app"}, words...)
}

var (
	flaskNeeds  = []string{pythonPackages + "flask"}
	djangoNeeds = []string{pythonPackages + "django"}
)

var pythonSetups = []Setup{
	{Name: "Flask", Unseen: true, Program: python, Config: flask(flaskRun), Needs: flaskNeeds},
	{Name: "Flask, gunicorn, threads", Unseen: true, Program: "gunicorn", File: "app.py", Config: flask(""), Args: gunicorn("--threads", "50"), Needs: flaskNeeds},
	{Name: "Flask, gunicorn, 2 sync workers", Unseen: true, Program: "gunicorn", File: "app.py", Config: flask(""), Args: gunicorn("--workers", "2"), Needs: flaskNeeds},
	{Name: "Flask, waitress", Unseen: true, Program: python, Config: flask("import waitress\nwaitress.serve(app, host='127.0.0.1', port=$PORT, threads=50)\n"), Needs: []string{pythonPackages + "flask", pythonPackages + "waitress"}},
	{Name: "Django, GZipMiddleware", Unseen: true, Program: "gunicorn", File: "app.py", Config: django("'django.middleware.gzip.GZipMiddleware'"), Args: gunicorn("--threads", "50"), Needs: djangoNeeds},
	{Name: "Django", Unseen: true, Program: "gunicorn", File: "app.py", Config: django(""), Args: gunicorn("--threads", "50"), Needs: djangoNeeds},
	{Name: "Tornado", Unseen: true, Program: python, Config: tornado(""), Needs: []string{pythonPackages + "tornado"}},
	{Name: "Tornado, compress_response", Unseen: true, Program: python, Config: tornado(", compress_response=True"), Needs: []string{pythonPackages + "tornado"}},
	{Name: "aiohttp", Unseen: true, Program: python, Config: aiohttp(""), Needs: []string{pythonPackages + "aiohttp"}},
	{Name: "aiohttp, enable_compression", Unseen: true, Program: python, Config: aiohttp("response.enable_compression()"), Needs: []string{pythonPackages + "aiohttp"}},
	{Name: "Starlette, uvicorn", Unseen: true, Program: python, Config: starlette(""), Needs: []string{pythonPackages + "starlette", pythonPackages + "uvicorn"}},
	{Name: "Starlette, uvicorn, GZipMiddleware", Unseen: true, Program: python, Needs: []string{pythonPackages + "starlette", pythonPackages + "uvicorn"},
		Config: starlette("from starlette.middleware.gzip import GZipMiddleware\napp.add_middleware(GZipMiddleware)")},
}
