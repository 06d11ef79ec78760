package lab

// javaRelay passes the request to the publisher, and its body on.
const javaRelay = `import java.io.*; import java.net.*; import java.util.*;
public class Server {
  static InputStream ask(String lastEventID, String oracle) throws Exception {
    Socket s = new Socket("127.0.0.1", $UPSTREAMPORT);
    String lines = (lastEventID == null ? "" : "Last-Event-ID: " + lastEventID + "\r\n") + (oracle == null ? "" : "X-Lab-Oracle: 1\r\n");
    s.getOutputStream().write(("GET /events HTTP/1.0\r\nHost: x\r\n" + lines + "\r\n").getBytes());
    InputStream in = s.getInputStream();
    for (int seen = 0, b; seen < 2 && (b = in.read()) >= 0; ) if (b == '\n') seen++; else if (b != '\r') seen = 0;
    return in;
  }
  static void pass(InputStream in, OutputStream out, boolean flush) throws IOException {
    try (in; out) {
      byte[] b = new byte[65536];
      for (int n; (n = in.read(b)) > 0; ) { out.write(b, 0, n); if (flush) out.flush(); }
    }
  }
`

// sunServer is the HTTP server of the JDK.
func sunServer(flush string) string {
	return javaRelay + `
  public static void main(String[] args) throws Exception {
    var server = com.sun.net.httpserver.HttpServer.create(new InetSocketAddress("127.0.0.1", $PORT), 100);
    server.setExecutor(java.util.concurrent.Executors.newCachedThreadPool());
    server.createContext("/events", x -> {
      try {
        x.getResponseHeaders().set("Content-Type", "text/event-stream");
        x.getResponseHeaders().set("Cache-Control", "no-cache");
        if (x.getRequestMethod().equals("HEAD")) { x.sendResponseHeaders(200, -1); x.close(); return; }
        InputStream in = ask(x.getRequestHeaders().getFirst("Last-Event-ID"), x.getRequestHeaders().getFirst("X-Lab-Oracle"));
        x.sendResponseHeaders(200, 0);
        pass(in, x.getResponseBody(), ` + flush + `);
      } catch (Exception e) { x.close(); }
    });
    server.start();
  }
}
`
}

// jetty is a servlet, with a handler for compression before it.
func jetty(gzip string) string {
	return javaRelay + `
  public static class Events extends javax.servlet.http.HttpServlet {
    protected void doGet(javax.servlet.http.HttpServletRequest q, javax.servlet.http.HttpServletResponse r) throws IOException {
      r.setContentType("text/event-stream");
      r.setHeader("Cache-Control", "no-cache");
      r.flushBuffer();
      try { pass(ask(q.getHeader("Last-Event-ID"), q.getHeader("X-Lab-Oracle")), r.getOutputStream(), true); } catch (IOException e) { throw e; } catch (Exception e) { throw new IOException(e); }
    }
  }
  public static void main(String[] args) throws Exception {
    var server = new org.eclipse.jetty.server.Server(new InetSocketAddress("127.0.0.1", $PORT));
    var context = new org.eclipse.jetty.servlet.ServletContextHandler();
    context.addServlet(Events.class, "/events");
    ` + gzip + `
    server.setHandler(context);
    server.start();
  }
}
`
}

const jettyGzip = `var gzip = new org.eclipse.jetty.server.handler.gzip.GzipHandler();
    gzip.setIncludedMimeTypes("text/event-stream");
    gzip.setMinGzipSize(0);
    gzip.setSyncFlush(false);
    context.insertHandler(gzip);`

var jettyNeeds = []string{"/usr/share/java/jetty9-server.jar"}

var javaSetups = []Setup{
	{Name: "Java, HttpServer", Unseen: true, Program: "java", File: "Server.java", Config: sunServer("true")},
	{Name: "Java, HttpServer, no flush", Unseen: true, Program: "java", File: "Server.java", Config: sunServer("false")},
	{Name: "Jetty", Unseen: true, Program: "java", File: "Server.java", Config: jetty(""), Needs: jettyNeeds},
	{Name: "Jetty, GzipHandler", Unseen: true, Program: "java", File: "Server.java", Config: jetty(jettyGzip), Needs: jettyNeeds},
}
