// Who asks for pages, those of good will and the others: what they get, and that nobody else waits for them.
#include "sluice/control/http_endpoint.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sluice/control/web_page.hpp"

namespace sluice::control {
namespace {

/// A port that nobody listens on.
std::uint16_t free_port() {
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(probe, reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length), 0);
    close(probe);
    return ntohs(address.sin_port);
}

class Scraper {
  public:
    explicit Scraper(const ListenAddress& address, int receive_buffer = 0)
        : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        if (receive_buffer != 0)
            setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        (void)connect(descriptor_, reinterpret_cast<const sockaddr*>(&address.socket), address.length);
    }
    ~Scraper() { close(descriptor_); }
    Scraper(const Scraper&) = delete;
    Scraper& operator=(const Scraper&) = delete;

    /// What was taken; -1: the other side has hung up, or takes nothing more now.
    [[nodiscard]] ssize_t send(std::string_view bytes) const {
        return ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    void read() {
        char bytes[16'384];
        for (ssize_t got = 0; (got = recv(descriptor_, bytes, sizeof bytes, 0)) >= 0;) {
            if (got == 0) {
                is_over_ = true;
                return;
            }
            received_.append(bytes, static_cast<std::size_t>(got));
        }
        if (errno != EAGAIN) is_over_ = true;
    }
    [[nodiscard]] const std::string& received() const { return received_; }
    [[nodiscard]] bool is_over() const { return is_over_; }

  private:
    int descriptor_;
    std::string received_;
    bool is_over_ = false;
};

class Endpoint : public ::testing::Test {
  protected:
    void SetUp() override {
        name_ = "127.0.0.1:" + std::to_string(free_port());
        address_ = *parse_listen_address(name_);
        open({.readers = "scrapers",
              .elsewhere = "the metrics are at /metrics",
              .pages = {{"/metrics", "text/plain; version=0.0.4; charset=utf-8", [this](std::string_view) {
                             ++made_;
                             return page_;
                         }}}});
    }
    void open(HttpSite site) {
        endpoint_.reset();
        auto opened = HttpEndpoint::open(address_, name_, std::move(site));
        ASSERT_TRUE(opened.ok()) << opened.error();
        endpoint_ = std::move(*opened);
    }
    /// Gives the endpoint turns when it asks for them, until `done()` or ten seconds have passed.
    template <class Done>
    bool turn_until(const Done& done) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!done()) {
            if (std::chrono::steady_clock::now() > end) return false;
            pollfd ready{endpoint_->descriptor(), POLLIN, 0};
            (void)poll(&ready, 1, 10);
            const auto before = std::chrono::steady_clock::now();
            endpoint_->turn();
            longest_ = std::max(longest_, std::chrono::steady_clock::now() - before);
        }
        return true;
    }
    std::string ask(std::string_view request) {
        Scraper scraper(address_);
        (void)turn_until([&] { return scraper.send(request) > 0; });
        EXPECT_TRUE(turn_until([&] {
            scraper.read();
            return scraper.is_over();
        })) << request;
        return scraper.received();
    }
    void expect_served() {
        const std::string answer = ask("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer.substr(0, 200);
        EXPECT_TRUE(answer.ends_with(page_));
    }

    std::string name_;
    ListenAddress address_;
    std::string page_ = "# HELP a b\n# TYPE a counter\na 1\n";
    unsigned made_ = 0;
    std::unique_ptr<HttpEndpoint> endpoint_;
    std::chrono::steady_clock::duration longest_{};  ///< of a turn
};

TEST_F(Endpoint, GivesThePageInPrometheusTextFormat) {
    const std::string answer = ask("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), std::string::npos)
        << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + page_)) << answer;
    EXPECT_EQ(made_, 1U);
}

TEST_F(Endpoint, GivesThePageOfNowToEachScrape) {
    expect_served();
    page_ = "a 2\n";
    expect_served();
    EXPECT_EQ(made_, 2U);
}

TEST_F(Endpoint, AnswersWhatItDoesNotHaveWithASentence) {
    const std::string end = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    EXPECT_TRUE(ask("GET /" + end).starts_with("HTTP/1.1 404"));
    EXPECT_TRUE(ask("GET /../../etc/passwd" + end).ends_with("the metrics are at /metrics\n"));
    EXPECT_TRUE(ask("DELETE /metrics" + end).starts_with("HTTP/1.1 405"));
    const std::string head = ask("HEAD /metrics" + end);
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200"));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
    EXPECT_TRUE(ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
                    .starts_with("HTTP/1.1 405"));
    EXPECT_TRUE(ask("nonsense\r\n\r\n").find("200 OK") == std::string::npos);
}

TEST_F(Endpoint, CutsOffAHeaderOfAHundredMegabytes) {
    Scraper scraper(address_);
    (void)turn_until([&] { return scraper.send("GET /metrics HTTP/1.1\r\nHost: ") > 0; });
    const std::string chunk(1 << 16, 'a');
    std::size_t taken = 0;
    EXPECT_TRUE(turn_until([&] {
        for (ssize_t got = 0; (got = scraper.send(chunk)) > 0;) taken += static_cast<std::size_t>(got);
        scraper.read();
        return scraper.is_over();
    }));
    EXPECT_LT(taken, 100U << 20U);
    EXPECT_EQ(scraper.received().find("200 OK"), std::string::npos);
    EXPECT_EQ(made_, 0U);
    expect_served();
}

TEST_F(Endpoint, WaitsForNobodyWhoDoesNotRead) {
    page_ = std::string(8 << 20, '#') + "\n";  // more than sockets hold
    std::vector<std::unique_ptr<Scraper>> mute;
    mute.reserve(HttpEndpoint::most_connections);
    for (unsigned i = 0; i + 1 < HttpEndpoint::most_connections; ++i) {
        mute.push_back(std::make_unique<Scraper>(address_, 4096));
        EXPECT_TRUE(
            turn_until([&] { return mute.back()->send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n") > 0; }));
    }
    expect_served();
    EXPECT_LT(longest_, std::chrono::seconds(1));
    // And it does not ask for turns over and over because of them.
    unsigned asked = 0;
    for (int i = 0; i < 20; ++i) {
        pollfd ready{endpoint_->descriptor(), POLLIN, 0};
        if (poll(&ready, 1, 5) > 0) ++asked;
        endpoint_->turn();
    }
    EXPECT_LT(asked, 10U);
}

TEST_F(Endpoint, MakesThePageOnceATurnForAllWhoAsk) {
    std::vector<std::unique_ptr<Scraper>> scrapers;
    scrapers.reserve(HttpEndpoint::most_connections);
    for (unsigned i = 0; i < HttpEndpoint::most_connections; ++i) {
        scrapers.push_back(std::make_unique<Scraper>(address_));
        EXPECT_GT(scrapers.back()->send("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 0);
    }
    unsigned turns = 0;
    EXPECT_TRUE(turn_until([&] {
        ++turns;
        for (auto& scraper : scrapers) scraper->read();
        return std::all_of(scrapers.begin(), scrapers.end(),
                           [](auto& scraper) { return scraper->is_over(); });
    }));
    for (auto& scraper : scrapers) EXPECT_TRUE(scraper->received().ends_with(page_));
    EXPECT_LE(made_, turns);
    EXPECT_LT(made_, HttpEndpoint::most_connections);
}

TEST_F(Endpoint, GivesEachWhatIsNewToIt) {
    std::vector<std::string> asked;
    open({.readers = "browsers",
          .elsewhere = "",
          .pages = {{"/state", "application/json",
                     [&](std::string_view since) {
                         asked.emplace_back(since);
                         return "{" + std::string(since) + "}";
                     },
                     true}}});
    const std::string end = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    EXPECT_TRUE(ask("GET /state" + end).ends_with("\r\n\r\n{}"));
    EXPECT_TRUE(ask("GET /state?since=17" + end).ends_with("\r\n\r\n{17}"));
    EXPECT_TRUE(ask("GET /state?sin=17&since" + end).ends_with("\r\n\r\n{}"));
    EXPECT_TRUE(ask("GET /state?since=%3Cb%3E%00x" + end).find("HTTP/1.1") == 0);
    EXPECT_TRUE(ask("GET /state?since=" + std::string(20'000, '9') + end).find("200 OK") ==
                std::string::npos);
    EXPECT_EQ(asked.size(), 4U);
}

TEST_F(Endpoint, AnswersNoNameThatCouldBeAnybodys) {
    HttpSite site = web_site([](std::string_view) { return std::string("{}"); });
    open(std::move(site));
    const auto answer_to = [&](const std::string& host) {
        return ask("GET /api/state HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n").substr(9, 3);
    };
    for (const char* host : {"127.0.0.1:9478", "127.0.0.1", "localhost", "localhost:8000", "[::1]:9478",
                             "[::1]", "192.0.2.1:80"})
        EXPECT_EQ(answer_to("Host: " + std::string(host) + "\r\n"), "200") << host;
    for (const char* host : {"rebound.example", "rebound.example:9478", "127.0.0.1.rebound.example:9478",
                             "localhost.rebound.example", "localhostile", "[::1", "127.0.0.1:x", "\xff"})
        EXPECT_EQ(answer_to("Host: " + std::string(host) + "\r\n"), "421") << host;
    EXPECT_EQ(ask("GET /api/state HTTP/1.0\r\n\r\n").substr(9, 3), "421") << "no Host at all";
}

TEST_F(Endpoint, GivesTheWebPageWithAPolicyThatLetsNothingElseRunInIt) {
    open(web_site([](std::string_view) { return std::string("{}"); }));
    const std::string answer = ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
    EXPECT_NE(answer.find("Content-Type: text/html; charset=utf-8\r\n"), std::string::npos);
    EXPECT_NE(answer.find("Content-Security-Policy: default-src 'none'; script-src 'sha256-"),
              std::string::npos);
    EXPECT_EQ(answer.find("unsafe"), std::string::npos);
    EXPECT_NE(answer.find("X-Frame-Options: DENY\r\n"), std::string::npos);
    const std::string page = answer.substr(answer.find("\r\n\r\n") + 4);
    EXPECT_TRUE(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for (const char* from_elsewhere : {"https://", "src=", "@import", "url(", "javascript:", " onclick"})
        EXPECT_EQ(page.find(from_elsewhere), std::string::npos) << from_elsewhere;
    EXPECT_TRUE(ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    .ends_with("the page is at /\n"));
}

TEST_F(Endpoint, SaysThatItsAddressIsTaken) {
    const auto second =
        HttpEndpoint::open(address_, name_, {.readers = "scrapers", .elsewhere = "", .pages = {}});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error(), "cannot listen for scrapers at " + name_ + ": Address already in use");
}

TEST(ListenAddress, IsOfThisMachineAloneOnLoopback) {
    for (const char* own : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1"})
        EXPECT_TRUE(is_loopback(*parse_listen_address(own))) << own;
    for (const char* other :
         {"0.0.0.0:1", "128.0.0.1:1", "192.0.2.1:1", "[::]:1", "[2001:db8::1]:1", "[::2]:1"})
        EXPECT_FALSE(is_loopback(*parse_listen_address(other))) << other;
}

TEST(ListenAddress, IsANumericAddressWithAPort) {
    for (const char* good : {"127.0.0.1:9477", "0.0.0.0:1", "[::1]:65535", "[2001:db8::1]:80"})
        EXPECT_TRUE(parse_listen_address(good)) << good;
    for (const char* bad : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                            "127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:0x10", ":9477", "localhost:9477",
                            "::1:9477", "[::1]", "[]:1", "[127.0.0.1]:1", "127.0.0.1:99999999999999999999"})
        EXPECT_FALSE(parse_listen_address(bad)) << bad;
    EXPECT_FALSE(parse_listen_address(std::string_view("127.0.0.1\0:80", 13)));
}

}  // namespace
}  // namespace sluice::control
