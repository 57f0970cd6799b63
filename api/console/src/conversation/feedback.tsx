// Feedback and review of an answer. The newest counts; every earlier one stays in the history.
import { useState } from "preact/hooks";
import type { Interaction, Rating, ReviewStatus } from "twig-ai";
import { time, words } from "../format";
import { twig } from "../session";
import { Badge, toast } from "../ui/basics";
import { Area, Choice, Form, textOf } from "../ui/form";

const REVIEWS: [string, string][] = [
  ["", "Not reviewed"],
  ["accurate", "Accurate"],
  ["edited", "Edited"],
  ["inaccurate", "Inaccurate"],
  ["no_answer", "Should not have been answered"],
];

/** A thumb, at once. */
export function Thumbs({ id, given, changed }: { id: string; given?: Rating; changed: (interaction: Interaction) => void }) {
  const [failed, setFailed] = useState("");
  const rate = (rating: Rating) =>
    twig()
      .feedback.create({ interactionId: id, rating })
      .then(
        (after) => {
          setFailed("");
          toast("Thank you for the feedback.");
          changed(after);
        },
        (failure) => setFailed(String(failure.message)),
      );
  return (
    <span class="buttons" role="group" aria-label="Rate this answer">
      <button type="button" class="button small" aria-pressed={given === "positive"} onClick={() => rate("positive")}>
        Good answer
      </button>
      <button type="button" class="button small" aria-pressed={given === "negative"} onClick={() => rate("negative")}>
        Bad answer
      </button>
      {failed && (
        <span class="bad small" role="alert">
          {failed}
        </span>
      )}
    </span>
  );
}

export function FeedbackForm({ interaction, changed }: { interaction: Interaction; changed: () => void }) {
  const before = interaction.feedback;
  const submit = async (data: FormData) => {
    await twig().feedback.create({
      interactionId: interaction.id,
      rating: textOf(data, "rating") as Rating,
      comment: textOf(data, "comment") || null,
      reviewStatus: (textOf(data, "reviewStatus") || null) as ReviewStatus | null,
      correctedResponse: textOf(data, "correctedResponse") || null,
    });
    toast("Feedback saved.");
    changed();
  };
  return (
    <Form label="Save feedback" name="Feedback and review" submit={submit}>
      <Choice
        name="rating"
        label="Rating"
        value={before?.rating ?? "positive"}
        options={[
          ["positive", "Positive"],
          ["negative", "Negative"],
        ]}
      />
      <Choice name="reviewStatus" label="Review" value={interaction.reviewStatus ?? ""} options={REVIEWS} />
      <Area name="comment" label="Comment" value={before?.comment} rows={2} maxLength={10_000} />
      <Area
        name="correctedResponse"
        label="Corrected answer"
        hint="What the answer should have been."
        value={before?.correctedResponse}
        rows={3}
        maxLength={32_000}
      />
    </Form>
  );
}

export function FeedbackHistory({ of }: { of: Record<string, any>[] | undefined }) {
  if (!of?.length) return <p class="quiet">No feedback was given yet.</p>;
  return (
    <ol class="form">
      {of.map((one, place) => (
        <li key={place} class="meta">
          <Badge of={one.rating ?? one.feedback?.rating} />
          {(one.reviewStatus ?? one.feedback?.reviewStatus) && <Badge of={one.reviewStatus ?? one.feedback?.reviewStatus} />}
          <span class="wrap">{one.comment ?? one.feedback?.comment}</span>
          <span>
            {one.actor?.name ?? one.actor?.id} · {time(one.createdAt)}
          </span>
        </li>
      ))}
    </ol>
  );
}

export const reviewName = (status: string | null) => (status ? words(status) : "Not reviewed");
export { REVIEWS };
