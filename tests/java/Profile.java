import java.io.File;
import java.io.FileOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.SignedInfo;
import javax.xml.crypto.dsig.Transform;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.keyinfo.KeyInfoFactory;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;

/**
 * The gateway's signature profile in the JDK's own javax.xml.crypto, as a partner would write it.
 * Each line of the file named by the first argument is one command, separated by tabs; each answer is one line.
 *   verify  signed.xml  certificate.der
 *   sign    unsigned.xml  key.pk8  key-algorithm  certificate.der  signature-uri  digest-uri  signed.xml
 */
public class Profile {
    private static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] arguments) throws Exception {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] words = line.split("\t");
            try {
                System.out.println(words[0].equals("verify") ? verify(words) : sign(words));
            } catch (Exception error) {
                System.out.println("error " + error);
            }
        }
    }

    private static String verify(String[] words) throws Exception {
        Document document = read(words[1]);
        var signature = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
        var context = new DOMValidateContext(certificate(words[2]).getPublicKey(), signature);
        return FACTORY.unmarshalXMLSignature(context).validate(context) ? "valid" : "invalid";
    }

    private static String sign(String[] words) throws Exception {
        Document document = read(words[1]);
        var encoded = new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(words[2])));
        PrivateKey key = KeyFactory.getInstance(words[3]).generatePrivate(encoded);
        Reference reference = FACTORY.newReference(
            "",
            FACTORY.newDigestMethod(words[6], null),
            List.of(
                FACTORY.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null),
                FACTORY.newTransform(CanonicalizationMethod.EXCLUSIVE, (TransformParameterSpec) null)),
            null,
            null);
        SignedInfo signedInfo = FACTORY.newSignedInfo(
            FACTORY.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
            FACTORY.newSignatureMethod(words[5], null),
            List.of(reference));
        KeyInfoFactory keys = FACTORY.getKeyInfoFactory();
        KeyInfo keyInfo = keys.newKeyInfo(List.of(keys.newX509Data(List.of(certificate(words[4])))));
        FACTORY.newXMLSignature(signedInfo, keyInfo).sign(new DOMSignContext(key, document.getDocumentElement()));
        try (var out = new FileOutputStream(words[7])) {
            TransformerFactory.newInstance().newTransformer().transform(new DOMSource(document), new StreamResult(out));
        }
        return "signed";
    }

    private static Document read(String name) throws Exception {
        var builder = DocumentBuilderFactory.newInstance();
        builder.setNamespaceAware(true);
        return builder.newDocumentBuilder().parse(new File(name));
    }

    private static X509Certificate certificate(String name) throws Exception {
        try (var in = Files.newInputStream(Path.of(name))) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }
}
