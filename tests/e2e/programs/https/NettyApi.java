import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.proxy.HttpProxyHandler;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.resolver.NoopAddressResolverGroup;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.LinkedBlockingQueue;

public class NettyApi {
    private static final String HOST = "api.example.com";
    private static final LinkedBlockingQueue<String> answers = new LinkedBlockingQueue<>();

    private static class Printer extends SimpleChannelInboundHandler<FullHttpResponse> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse response) {
            answers.add(response.status().code() + "\n" + response.content().toString(StandardCharsets.UTF_8));
        }
    }

    private static Bootstrap bootstrap(NioEventLoopGroup group) throws Exception {
        SslContext tls = SslContextBuilder.forClient().sslProvider(SslProvider.JDK).build();
        InetSocketAddress proxy = new InetSocketAddress(
            System.getProperty("https.proxyHost"), Integer.getInteger("https.proxyPort"));
        return new Bootstrap().group(group).channel(NioSocketChannel.class)
            .resolver(NoopAddressResolverGroup.INSTANCE)
            .handler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                    channel.pipeline().addLast(new HttpProxyHandler(proxy),
                        tls.newHandler(channel.alloc(), HOST, 443), new HttpClientCodec(),
                        new HttpObjectAggregator(1 << 20), new Printer());
                }
            });
    }

    public static void main(String[] arguments) throws Exception {
        NioEventLoopGroup group = new NioEventLoopGroup(1);
        Channel channel = bootstrap(group).connect(InetSocketAddress.createUnresolved(HOST, 443)).sync().channel();
        FullHttpRequest get = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/data");
        get.headers().set("Host", HOST);
        channel.writeAndFlush(get);
        System.out.println(answers.take());

        byte[] payload = "{\"name\": \"hark\", \"note\": \"gr\\u00fc\\u00dfe\"}".getBytes(StandardCharsets.UTF_8);
        FullHttpRequest post = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.POST, "/submit",
            Unpooled.wrappedBuffer(payload));
        post.headers().set("Host", HOST).set("Content-Type", "application/json")
            .set("Content-Length", payload.length);
        channel.writeAndFlush(post);
        System.out.println(answers.take());
        channel.close().sync();
        group.shutdownGracefully(0, 1, java.util.concurrent.TimeUnit.SECONDS).sync();
    }
}
