"""The words by which `backchannels` tells what only acknowledges, by language. Small letters, phrases without spaces.

None of them is an answer that wants something else: no "no", no question, no word that begins a sentence.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVERYWHERE = _words(
    "hm hmh mm m mhm mh uh um er erm uhm ah oh eh ooh aah ha heh huh uhuh uhhuh uhhu aha ahem ach ehm em hum "
    "ok okay okey okie oke k super perfect cool hein oy wow whoa woah phew gosh jeez"
)
"""Sounds in Latin letters, and what is said everywhere. A user who only hesitates has not said anything yet, either."""
_GROUPS = (
    (
        "en",  # English
        _words(
            "yes yeah yea yeh yah yep yup yas ya ay aye ok okay okey okie oke k right righto rightio alright "
            "alrighty sure surely true indeed exactly precisely absolutely definitely totally completely "
            "certainly naturally obviously clearly evidently correct agreed understood gotcha perfect excellent "
            "great good nice cool neat sweet fine fair super awesome amazing wonderful fantastic brilliant lovely "
            "terrific impressive interesting fascinating incredible marvellous marvelous splendid superb "
            "beautiful really seriously thanks cheers roger noted gladly isee gotit ofcourse thatsright thatstrue "
            "goodpoint makessense nodoubt noproblem fairenough verygood"
        ),
    ),
    (
        "de nl da no nb nn sv fi",  # German, Dutch, Danish, Norwegian, Swedish, Finnish
        _words(
            "ja jo jep jup jap jaja joa jawohl jawoll genau gut klar stimmt achso tja richtig prima toll "
            "sch\xf6n perfekt wunderbar verstehe verstanden nat\xfcrlich sicher selbstverst\xe4ndlich wirklich "
            "echt eben sehrgut allesklar naklar \xe4h \xe4hm \xe4 \xf6h jazeker juist precies goed ok\xe9 "
            "inderdaad mooi leuk zeker klopt begrepen natuurlijk jaha jada n\xe5ja pr\xe6cis netop nemlig "
            "selvf\xf8lgelig akkurat nettopp bra fint fin okej precis visst absolut just naturligtvis joo "
            "kyll\xe4 niin okei aivan hyv\xe4 selv\xe4 totta"
        ),
    ),
    (
        "fr es pt ca it ro",  # French, Spanish, Portuguese, Catalan, Italian, Romanian
        _words(
            "oui ouais ouaip mouais voil\xe0 d'accord bien biens\xfbr tr\xe8sbien super parfait exactement exact "
            "effectivement absolument certes entendu compris g\xe9nial vraiment c'est\xe7a \xe7amarche euh ben "
            "merci s\xed claro vale bueno exacto exactamente perfecto entiendo entendido deacuerdo porsupuesto "
            "ya aj\xe1 cierto correcto efectivamente genial est\xe1bien muybien gracias sim certo t\xe1 t\xe1bom "
            "est\xe1bem muitobem ok\xe9 beleza entendi exato exatamente perfeito isso pois pois\xe9 aham uhum "
            "\xf3timo legal obrigado obrigada certament exacte entesos gr\xe0cies s\xec certamente bene vabene "
            "benissimo esatto esattamente perfetto capito giusto gi\xe0 ecco davvero infatti okkei grazie da bine "
            "desigur perfect"
        ),
    ),
    (
        "pl cs hr hu tr id vi",  # Polish, Czech, Croatian, Hungarian, Turkish, Indonesian, Vietnamese
        _words(
            "tak dobrze jasne rozumiem dok\u0142adnie oczywi\u015bcie pewnie okej racja \u015bwietnie ano jo "
            "jasn\u011b dob\u0159e p\u0159esn\u011b rozum\xedm samoz\u0159ejm\u011b jist\u011b dobro naravno "
            "to\u010dno igen rendben j\xf3 persze \xe9rtem pontosan evet tamam tabii tabi peki anlad\u0131m "
            "do\u011fru aynen elbette olur h\u0131h\u0131 h\u0131 iya baik betul benar oke v\xe2ng d\u1ea1 \u1eeb "
            "\u0111\xfang \u0111\u01b0\u1ee3c"
        ),
    ),
    (
        "el ru uk",  # Greek, Russian, Ukrainian
        _words(
            "\u03bd\u03b1\u03b9 \u03c9\u03c1\u03b1\u03af\u03b1 \u03b5\u03bd\u03c4\u03ac\u03be\u03b5\u03b9 "
            "\u03bc\u03ac\u03bb\u03b9\u03c3\u03c4\u03b1 \u03c3\u03c9\u03c3\u03c4\u03ac \u0434\u0430 "
            "\u0430\u0433\u0430 \u0443\u0433\u0443 \u0445\u043e\u0440\u043e\u0448\u043e "
            "\u043b\u0430\u0434\u043d\u043e \u043f\u043e\u043d\u044f\u0442\u043d\u043e \u044f\u0441\u043d\u043e "
            "\u0442\u043e\u0447\u043d\u043e \u043a\u043e\u043d\u0435\u0447\u043d\u043e "
            "\u043f\u043e\u043d\u044f\u043b \u043f\u043e\u043d\u044f\u043b\u0430 \u0432\u0435\u0440\u043d\u043e "
            "\u043f\u0440\u0430\u0432\u0438\u043b\u044c\u043d\u043e \u043e\u0442\u043b\u0438\u0447\u043d\u043e "
            "\u043e\u043a\u0435\u0439 \u043e\u043a \u0442\u0430\u043a \u0438\u043c\u0435\u043d\u043d\u043e "
            "\u0445\u043c \u0433\u043c \u043c \u043c\u0433\u043c \u043d\u0443 \u043e\u0433\u043e \u0430\u0445 "
            "\u043e\u0445 \u043e\u0439 \u043e \u0430 \u044d \u044d-\u044d "
            "\u0441\u043f\u0430\u0441\u0438\u0431\u043e \u0434\u043e\u0431\u0440\u0435 "
            "\u0437\u0440\u043e\u0437\u0443\u043c\u0456\u043b\u043e \u0430\u0432\u0436\u0435\u0436 "
            "\u0437\u0432\u0438\u0447\u0430\u0439\u043d\u043e \u0437\u0432\u0456\u0441\u043d\u043e "
            "\u0433\u0430\u0440\u0430\u0437\u0434 \u0441\u0430\u043c\u0435"
        ),
    ),
    (
        "he ar fa ur",  # Hebrew, Arabic, Persian, Urdu
        _words(
            "\u05db\u05df \u05e0\u05db\u05d5\u05df \u05d1\u05e1\u05d3\u05e8 \u05d8\u05d5\u05d1 "
            "\u05d0\u05d5\u05e7\u05d9\u05d9 \u05d0\u05d4\u05d4 \u05d1\u05d8\u05d7 \u05d1\u05e8\u05d5\u05e8 "
            "\u05de\u05e6\u05d5\u05d9\u05df \u0646\u0639\u0645 \u0623\u062c\u0644 \u0627\u062c\u0644 "
            "\u0627\u064a\u0648\u0647 \u0623\u064a\u0648\u0647 \u0627\u064a\u0648\u0627 \u0623\u064a\u0648\u0627 "
            "\u0637\u064a\u0628 \u062a\u0645\u0627\u0645 \u062d\u0633\u0646\u0627 \u062d\u0633\u0646\u064b\u0627 "
            "\u062d\u0633\u0646\u0627\u064b \u0635\u062d\u064a\u062d \u0622\u0647 \u0627\u0647 "
            "\u0645\u0627\u0634\u064a \u0645\u0636\u0628\u0648\u0637 \u0623\u0643\u064a\u062f "
            "\u0627\u0643\u064a\u062f \u0637\u0628\u0639\u0627 \u0637\u0628\u0639\u064b\u0627 "
            "\u0637\u0628\u0639\u0627\u064b \u0628\u0627\u0644\u0636\u0628\u0637 \u0623\u0648\u0643\u064a "
            "\u0627\u0648\u0643\u064a \u0645\u0645\u062a\u0627\u0632 \u0628\u0644\u0647 \u0622\u0631\u0647 "
            "\u0628\u0627\u0634\u0647 \u062e\u0628 \u062e\u0648\u0628 \u062f\u0631\u0633\u062a "
            "\u062d\u062a\u0645\u0627 \u062c\u06cc \u06c1\u0627\u06ba \u062c\u06cc\u06c1\u0627\u06ba "
            "\u0627\u0686\u06be\u0627 \u0679\u06be\u06cc\u06a9 \u0679\u06be\u06cc\u06a9\u06c1\u06d2 "
            "\u0628\u0627\u0644\u06a9\u0644"
        ),
    ),
    (
        "hi bn mr gu pa ta te kn ml",  # Hindi, Bengali, Marathi, Gujarati, Punjabi, Tamil, Telugu, Kannada, Malayalam
        _words(
            "\u0939\u093e\u0901 \u0939\u093e\u0902 \u0939\u093e \u091c\u0940 \u091c\u0940\u0939\u093e\u0901 "
            "\u091c\u0940\u0939\u093e\u0902 \u0905\u091a\u094d\u091b\u093e \u0920\u0940\u0915 "
            "\u0920\u0940\u0915\u0939\u0948 \u0938\u0939\u0940 \u092c\u093f\u0932\u094d\u0915\u0941\u0932 "
            "\u0939\u092e\u094d\u092e \u0939\u0942\u0901 \u0939\u0942\u0902 \u0913\u0915\u0947 "
            "\u092c\u0922\u093c\u093f\u092f\u093e \u091c\u093c\u0930\u0942\u0930 \u091c\u0930\u0942\u0930 "
            "\u0935\u093e\u0939 \u0938\u092e\u091d\u0917\u092f\u093e \u0938\u092e\u091d\u0917\u092f\u0940 "
            "\u09b9\u09cd\u09af\u09be\u0981 \u0986\u099a\u09cd\u099b\u09be \u09a0\u09bf\u0995 "
            "\u09a0\u09bf\u0995\u0986\u099b\u09c7 \u099c\u09bf \u09b9\u09c1\u09ae \u0939\u094b \u0939\u094b\u092f "
            "\u092c\u0930\u0902 \u0ab9\u0abe \u0aac\u0ab0\u0abe\u0aac\u0ab0 \u0a39\u0a3e\u0a02 "
            "\u0a39\u0a3e\u0a02\u0a1c\u0a40 \u0a20\u0a40\u0a15 \u0b86\u0bae\u0bbe \u0b86\u0bae\u0bbe\u0bae\u0bcd "
            "\u0b9a\u0bb0\u0bbf \u0b85\u0bb5\u0c41\u0c28\u0c41 \u0c05\u0c35\u0c41\u0c28\u0c41 \u0c38\u0c30\u0c47 "
            "\u0cb9\u0ccc\u0ca6\u0cc1 \u0cb8\u0cb0\u0cbf \u0d05\u0d24\u0d46 \u0d36\u0d30\u0d3f"
        ),
    ),
    (
        "th",  # Thai
        _words(
            "\u0e04\u0e23\u0e31\u0e1a \u0e04\u0e48\u0e30 \u0e43\u0e0a\u0e48 "
            "\u0e43\u0e0a\u0e48\u0e04\u0e23\u0e31\u0e1a \u0e43\u0e0a\u0e48\u0e04\u0e48\u0e30 "
            "\u0e42\u0e2d\u0e40\u0e04 \u0e2d\u0e37\u0e21 \u0e2d\u0e37\u0e2d \u0e40\u0e2d\u0e2d \u0e44\u0e14\u0e49 "
            "\u0e14\u0e35"
        ),
    ),
    (
        "zh",  # Chinese
        _words(
            "\u55ef \u5bf9 \u5c0d \u597d \u662f \u554a \u54e6 \u5662 \u5594 \u5443 \u5514 \u54c8 \u54c7 \u563f "
            "\u54ce \u8bf6 \u6b38 \u5509 \u597d\u7684 \u597d\u5427 \u597d\u554a \u597d\u5440 \u597d\u561e "
            "\u597d\u54d2 \u662f\u7684 \u662f\u554a \u662f\u5440 \u662f\u5427 \u6ca1\u9519 \u6c92\u932f "
            "\u5bf9\u7684 \u5c0d\u7684 \u5bf9\u554a \u5c0d\u554a \u5bf9\u5440 \u53ef\u4ee5 \u884c \u884c\u5427 "
            "\u5f53\u7136 \u7576\u7136 \u660e\u767d \u660e\u767d\u4e86 \u77e5\u9053\u4e86 \u4e86\u89e3 "
            "\u61c2\u4e86 \u771f\u7684 \u4e0d\u9519 \u4e0d\u932f \u539f\u6765\u5982\u6b64 "
            "\u539f\u4f86\u5982\u6b64 \u8fd9\u6837\u554a \u9019\u6a23\u554a \u8c22\u8c22 \u8b1d\u8b1d "
            "\u592a\u597d\u4e86 \u6ca1\u95ee\u9898 \u6c92\u554f\u984c"
        ),
    ),
    (
        "ja",  # Japanese
        _words(
            "\u306f\u3044 \u30cf\u30a4 \u3046\u3093 \u30a6\u30f3 \u3048\u3048 \u30a8\u30a8 \u305d\u3046 "
            "\u305d\u3046\u3067\u3059 \u305d\u3046\u3067\u3059\u306d \u305d\u3046\u3067\u3059\u304b "
            "\u305d\u3046\u3060\u306d \u305d\u3046\u304b \u305d\u3063\u304b \u305d\u3046\u306a\u3093\u3060 "
            "\u305d\u3046\u306a\u3093\u3067\u3059\u304b \u306a\u308b\u307b\u3069 \u306a\u308b\u307b\u3069\u306d "
            "\u3078\u3048 \u3078 \u307b\u3046 \u3075\u3046\u3093 \u3075\u3093 \u3075\u3080 \u3042 \u3042\u3042 "
            "\u304a\u304a \u304a \u3046\u308f \u308f\u3042 \u307b\u3093\u3068 \u672c\u5f53 "
            "\u307b\u3093\u3068\u3046 \u78ba\u304b\u306b \u305f\u3057\u304b\u306b \u308f\u304b\u3063\u305f "
            "\u308f\u304b\u308a\u307e\u3057\u305f \u5206\u304b\u308a\u307e\u3057\u305f \u4e86\u89e3 "
            "\u4e86\u89e3\u3067\u3059 \u3044\u3044\u306d \u3044\u3044\u3067\u3059\u306d \u3082\u3061\u308d\u3093 "
            "\u30aa\u30c3\u30b1 \u30aa\u30b1 \u30aa\u30fc\u30b1\u30fc \u3042\u308a\u304c\u3068\u3046 \u307e\u3042 "
            "\u3048\u3048\u3068 \u3048\u3068 \u3048\u3063\u3068 \u3046\u3093\u3068"
        ),
    ),
    (
        "ko",  # Korean
        _words(
            "\ub124 \uc608 \uc751 \uc74c \uc5b4 \uc544 \uc624 \uc640 \uadf8\ub798 \uadf8\ub798\uc694 "
            "\uadf8\ub807\uc8e0 \uadf8\ucd78 \uadf8\ub807\uc9c0 \uadf8\ub807\uad70\uc694 \uadf8\ub807\uad6c\ub098 "
            "\ub9de\uc544 \ub9de\uc544\uc694 \ub9de\uc2b5\ub2c8\ub2e4 \uc54c\uaca0\uc2b5\ub2c8\ub2e4 "
            "\uc54c\uaca0\uc5b4\uc694 \uc54c\uc558\uc5b4\uc694 \uc54c\uc558\uc5b4 \uc88b\uc544 \uc88b\uc544\uc694 "
            "\uc88b\uc2b5\ub2c8\ub2e4 \uc624\ucf00\uc774 \uc544\ud558 \uc815\ub9d0 \uc9c4\uc9dc \ubb3c\ub860 "
            "\ubb3c\ub860\uc774\uc8e0 \uc73c\uc74c"
        ),
    ),
)
LISTS = {code: _EVERYWHERE | words for codes, words in _GROUPS for code in codes.split()}
"""The words of each language, by its ISO 639 code. In a language that is not here, no word is disregarded."""
NOISES = _words("i a the and you mama mum mom")
"""What recognisers of English make of a hum or a cough, alone: "mm-hm" is heard as "Mama." and "Mum.".

Measured with Moonshine (2026-11-29).
"""
