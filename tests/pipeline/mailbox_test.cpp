#include "sluice/pipeline/mailbox.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace sluice::pipeline {
namespace {

TEST(Mailbox, AnswersComeBackInTheOrderOfTheRequests) {
    const auto mailbox = std::make_unique<Mailbox>();
    for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(mailbox->post({.mark = i}));
    Request answered;
    EXPECT_FALSE(mailbox->collect(answered)) << "nothing has been answered yet";
    for (std::uint32_t i = 0; i < 10; ++i) {
        Request* request = mailbox->next();
        ASSERT_NE(request, nullptr);
        EXPECT_EQ(request->mark, i);
        request->changed = i * 100;
        mailbox->answered();
    }
    EXPECT_EQ(mailbox->next(), nullptr);
    for (std::uint32_t i = 0; i < 10; ++i) {
        ASSERT_TRUE(mailbox->collect(answered));
        EXPECT_EQ(answered.changed, i * 100);
    }
    EXPECT_FALSE(mailbox->collect(answered));
}

TEST(Mailbox, RefusesMoreThanItHoldsUntilAnswersAreCollected) {
    const auto mailbox = std::make_unique<Mailbox>();
    for (std::uint32_t i = 0; i < Mailbox::slots; ++i) ASSERT_TRUE(mailbox->post({}));
    EXPECT_FALSE(mailbox->post({}));
    ASSERT_NE(mailbox->next(), nullptr);
    mailbox->answered();
    EXPECT_FALSE(mailbox->post({})) << "an answered slot still holds its answer";
    Request answered;
    ASSERT_TRUE(mailbox->collect(answered));
    EXPECT_TRUE(mailbox->post({}));
}

}  // namespace
}  // namespace sluice::pipeline
